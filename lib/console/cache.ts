/**
 * Gives what was read under that name, reading it anew when it is older than `forMs` or of another `version`; those who ask
 * meanwhile share one read. What takes long to read is kept ten times (`rest`) as long as that. A read that fails is not kept.
 */
export interface Cache {
  <Value>(
    name: string,
    fresh: { forMs: number; version?: string; rest?: number },
    read: () => Promise<Value>,
  ): Promise<Value>
  /** Forgets everything: somebody changed something. */
  clear(): void
}

/** Names are of accounts, routes and times. Where there are more, what was asked for first is forgotten. */
const MOST = 1_000
/** So that one page that is open leaves the database nine tenths of its time, whatever it asks for. */
const REST = 10

interface Entry {
  since: number
  until: number
  version: string
  value: Promise<unknown>
}

/** Keeps what was read, so that many open pages cost the database as much as one. */
export function openCache(now: () => number): Cache {
  const kept = new Map<string, Entry>()
  // A clock that is set back must not make it last.
  const isFresh = ({ since, until }: Entry) => since <= now() && now() < until
  const cached: Cache = (name, { forMs, version = '', rest = REST }, read) => {
    const known = kept.get(name)
    if (known && isFresh(known) && known.version === version) return known.value as ReturnType<typeof read>
    for (const [other, entry] of kept) if (!isFresh(entry)) kept.delete(other)
    const startedAt = now()
    const value = read()
    const mine: Entry = { since: -Infinity, until: Infinity, version, value }
    kept.delete(name)
    kept.set(name, mine)
    const [oldest] = kept.keys()
    if (kept.size > MOST && oldest !== undefined) kept.delete(oldest)
    value.then(
      () => Object.assign(mine, { since: now(), until: now() + Math.max(forMs, rest * (now() - startedAt)) }),
      () => void (kept.get(name) === mine && kept.delete(name)),
    )
    return value
  }
  cached.clear = () => kept.clear()
  return cached
}
