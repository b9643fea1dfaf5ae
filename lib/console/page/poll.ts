import { useEffect, useState } from 'preact/hooks'
import { type Address, fetchIfChanged, Refused } from './api.ts'
import { cell } from './cell.ts'
import { heardAt, loseServer, lostSince } from './state.ts'

/** What is known of an address: the last answer, and what went wrong since. */
interface Looked<T> {
  answer: T | undefined
  error: unknown
  /** Looks again at once. */
  again: () => void
}

const LONGEST_MS = 10_000
/** What is not answered by then is told as a lost connection, and may still come. */
const LATE_MS = 10_000

/**
 * Looks at an address every so often, until the function it gives is called. While the tab is hidden it waits, and looks at once when
 * it is seen again. After a failure it waits longer, at most ten seconds; a lost connection it tells to `lostSince`.
 */
export function poll<T>(
  looked: Address<T>,
  everyMs: number,
  onAnswer: (answer: T) => void,
  onError: (error: unknown) => void,
): { stop: () => void; again: () => void } {
  let etag: string | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let looking: AbortController | undefined
  let failures = 0
  let isStopped = false
  let isAsked = false

  const next = async () => {
    clearTimeout(timer)
    if (isStopped || document.hidden) return
    looking?.abort()
    const mine = new AbortController()
    looking = mine
    isAsked = false
    // Others may have been answered meanwhile.
    const late = setTimeout(() => void (Date.now() - heardAt.get() >= LATE_MS && loseServer()), LATE_MS)
    try {
      const found = await fetchIfChanged(looked, etag, mine.signal)
      if (mine.signal.aborted) return
      failures = 0
      lostSince.set(undefined)
      if (found) {
        etag = found.etag
        onAnswer(found.answer)
      }
      onError(undefined)
    } catch (error) {
      if (mine.signal.aborted) return
      failures += 1
      if (isAway(error)) loseServer()
      else lostSince.set(undefined)
      // A lost connection is told above all views, once.
      if (error instanceof Refused) onError(error)
    } finally {
      clearTimeout(late)
    }
    looking = undefined
    const longestMs = Math.max(LONGEST_MS, everyMs)
    const waitMs = isAsked && failures === 0 ? 0 : Math.min(longestMs, everyMs * 2 ** Math.min(failures, 5))
    timer = setTimeout(() => void next(), waitMs)
  }
  const onVisible = () => void (document.hidden || next())
  document.addEventListener('visibilitychange', onVisible)
  addEventListener('online', onVisible)
  void next()
  return {
    stop: () => {
      isStopped = true
      clearTimeout(timer)
      looking?.abort()
      document.removeEventListener('visibilitychange', onVisible)
      removeEventListener('online', onVisible)
    },
    // A look that is under way ends first: asked often enough, none would ever end.
    again: () => {
      if (looking) isAsked = true
      else void next()
    },
  }
}

/** No answer at all, or that of a gateway, or of a server without its database. */
const isAway = (error: unknown) => !(error instanceof Refused) || error.status >= 502

/** Counts what was changed by this page, so that all that is looked at is looked at again. */
export const changes = cell(0)
/** To be called after each change. */
export const changed = (): void => changes.set(changes.get() + 1)

/**
 * What `poll` finds, for a component. Another address forgets the answer of the last one; where it `keeps`, that one stays until the
 * next has come. Then a component needs a key for whatever must not be mixed, such as the account.
 */
export function usePoll<T>(looked: Address<T>, everyMs: number, { keeps = false } = {}): Looked<T> {
  const [state, setState] = useState<{ address: string; answer?: T; error?: unknown }>({ address: looked.address })
  const [again, setAgain] = useState<() => void>(() => () => undefined)
  useEffect(() => {
    const { address } = looked
    const polling = poll<T>(
      looked,
      everyMs,
      (answer) => setState({ address, answer }),
      (error) =>
        setState((last) => {
          const known = last.address === address ? last : { address, ...(keeps && { answer: last.answer }) }
          return known.error === error && known === last ? last : { ...known, error }
        }),
    )
    const unfollow = changes.follow(polling.again)
    setAgain(() => polling.again)
    return () => {
      unfollow()
      polling.stop()
    }
  }, [looked.address, everyMs])
  const isOfThis = state.address === looked.address
  return { answer: isOfThis || keeps ? state.answer : undefined, error: isOfThis ? state.error : undefined, again }
}
