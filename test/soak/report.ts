// What a soak prints.
import { percentile } from './histogram.ts'
import type { Ledger } from './ledger.ts'
import type { Sample } from './samples.ts'
import type { SoakReport } from './soak.ts'

/** The breaches, and the verdict as the last line. */
export function verdict({ breaches }: Ledger): { held: boolean; lines: string[] } {
  const found = [...breaches.values()]
  const total = found.reduce((sum, { count }) => sum + count, 0)
  const lines = found.flatMap(({ count, first }) =>
    count > first.length ? [...first, `  … and ${count - first.length} more`] : first,
  )
  return { held: total === 0, lines: [...lines, total === 0 ? 'soak: held' : `soak: ${total} breaches`] }
}

const whole = (n: number) => Math.round(n).toLocaleString('en')

export function sampleLine(sample: Sample, { counts }: Ledger): string {
  const { seconds, reconcileMb, webhookMb, ownMb, openSessions, pending, due } = sample
  return [
    `${whole(seconds)} s: ${whole(counts['deliveries'] ?? 0)} deliveries`,
    `memory ${whole(reconcileMb)} + ${whole(webhookMb)} MB (soak ${whole(ownMb)})`,
    `${whole(openSessions)} open, ${whole(pending)} pending, ${whole(due)} due`,
    `indexes of what is open ${whole(sample.openIndexesKb)} KB, small tables ${whole(sample.smallTablesKb)} KB`,
    `dead rows ${whole(sample.deadShare * 100)} %, ${whole(sample.snapshots)} snapshots`,
  ].join(' · ')
}

/** Everything that was counted, by name. */
export function figures({ ledger, latency, runMs, ownCpuMs }: SoakReport): Record<string, string | number> {
  const { counts, breaches } = ledger
  const breached = (kind: Parameters<typeof breaches.get>[0]) => breaches.get(kind)?.count ?? 0
  const sorted = Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1))
  const ms = (which: keyof typeof latency) => `${percentile(latency[which], 0.5)}, ${percentile(latency[which], 0.99)}`
  return {
    minutes: (runMs / 60_000).toFixed(1),
    'deliveries a second': whole((counts['deliveries'] ?? 0) / (runMs / 1_000)),
    ...Object.fromEntries(sorted.map(([name, n]) => [name, whole(n)])),
    lost: breached('lost'),
    doubled: breached('doubled'),
    'out of order': breached('order'),
    'p50, p99 in ms from the change to the steady subscriber': ms('steady'),
    'p50, p99 in ms from the change to any subscriber': ms('all'),
    "the soak's own share of a core": (ownCpuMs / runMs).toFixed(2),
  }
}
