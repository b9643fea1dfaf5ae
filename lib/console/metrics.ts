import type { Kysely } from 'kysely'
import { countForMetrics } from '../store/console/metrics.ts'
import type { Database } from '../store/database.ts'
import { readBacklog, readLastTicks } from '../store/status.ts'

interface Sample {
  labels?: Record<string, string>
  value: number
}

/** How it goes, in the text format 0.0.4 of Prometheus (prometheus.io/docs/instrumenting/exposition_formats). */
export async function readMetrics(db: Kysely<Database>, channels: number | null): Promise<string> {
  const [ticks, backlog, { accounts, endpoints }] = await Promise.all([
    readLastTicks(db),
    readBacklog(db),
    countForMetrics(db),
  ])
  return [
    gauge(
      'rollcall_sessions_live',
      'Sessions that live now.',
      accounts.map(({ account, live }) => ({ labels: { account }, value: live })),
    ),
    gauge(
      'rollcall_leaks',
      'Live sessions that hold a channel for nothing.',
      accounts.map(({ account, leaks }) => ({ labels: { account }, value: leaks })),
    ),
    gauge(
      'rollcall_last_complete_age_seconds',
      'Since the last tick began that saw the whole list; +Inf: none did.',
      accounts.map(({ account, completeAgeSeconds }) => ({
        labels: { account },
        value: completeAgeSeconds ?? Infinity,
      })),
    ),
    gauge('rollcall_channels', 'Channels that were bought.', channels === null ? [] : [{ value: channels }]),
    gauge(
      'rollcall_last_tick_age_seconds',
      'Since the last tick began, whatever its outcome.',
      ticks.flatMap(({ account, ageSeconds }) =>
        ageSeconds === null ? [] : { labels: { account }, value: ageSeconds },
      ),
    ),
    gauge(
      'rollcall_last_tick_outcome',
      'What the last tick came to: 1 of that outcome.',
      ticks.flatMap(({ account, outcome }) => (outcome === null ? [] : { labels: { account, outcome }, value: 1 })),
    ),
    gauge('rollcall_deliveries_pending', `Deliveries not yet made, not counted beyond ${backlog.countedUpTo}.`, [
      { value: backlog.pending },
    ]),
    gauge(
      'rollcall_oldest_due_age_seconds',
      'For how long the oldest delivery waits that could be made; 0: none does.',
      [{ value: backlog.oldestDue?.ageSeconds ?? 0 }],
    ),
    gauge('rollcall_deliveries_dead_last_day', 'Deliveries given up within the last day.', [
      { value: backlog.deadOfLastDay },
    ]),
    gauge(
      'rollcall_endpoints',
      'Endpoints by their state.',
      endpoints.map(({ state, count }) => ({ labels: { state }, value: count })),
    ),
  ].join('')
}

function gauge(name: string, help: string, samples: Sample[]): string {
  if (samples.length === 0) return ''
  const lines = samples.map(
    ({ labels = {}, value }) => `${name}${labelText(labels)} ${value === Infinity ? '+Inf' : value}\n`,
  )
  return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${lines.join('')}`
}

function labelText(labels: Record<string, string>): string {
  const escaped = (text: string) => text.replaceAll(/[\\"\n]/g, (one) => (one === '\n' ? '\\n' : `\\${one}`))
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`)
  return pairs.length > 0 ? `{${pairs.join(',')}}` : ''
}
