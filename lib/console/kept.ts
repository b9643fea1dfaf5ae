/**
 * Gives what was read under that name, reading it anew when it is older than `forMs` or of another `version`; those who ask
 * meanwhile share one read. A read that fails is not kept.
 */
export type Kept = <Value>(
  name: string,
  fresh: { forMs: number; version?: string },
  read: () => Promise<Value>,
) => Promise<Value>

/** Names are of accounts and routes: few. Where there are more, what was asked for first is forgotten. */
const MOST = 100

/** Keeps what was read, so that many open pages cost the database as much as one. */
export function openKept(now: () => number): Kept {
  const kept = new Map<string, { since: number; until: number; version: string; value: Promise<unknown> }>()
  return (name, { forMs, version = '' }, read) => {
    const known = kept.get(name)
    const at = now()
    // A clock that is set back would make it last.
    const isFresh = known !== undefined && known.since <= at && known.until > at
    if (isFresh && known.version === version) return known.value as ReturnType<typeof read>
    const value = read()
    const mine = { since: -Infinity, until: Infinity, version, value }
    kept.delete(name)
    kept.set(name, mine)
    const [oldest] = kept.keys()
    if (kept.size > MOST && oldest !== undefined) kept.delete(oldest)
    value.then(
      () => Object.assign(mine, { since: now(), until: now() + forMs }),
      () => void (kept.get(name) === mine && kept.delete(name)),
    )
    return value
  }
}
