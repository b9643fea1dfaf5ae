import { useState } from 'preact/hooks'
import { type Address, get } from './api.ts'
import { useAct } from './parts/act.tsx'
import { usePoll } from './poll.ts'

/** A list of which the first page is looked at again and again, and the others once, when they are asked for. */
interface Pages<Page, Row> {
  /** The first page. */
  answer: Page | undefined
  /** The rows that were asked for, with those of the first page as it was then. */
  more: readonly Row[]
  /** Where the next page begins; null: there is none. */
  next: string | null
  error: unknown
  busy: boolean
  loadMore: () => void
}

/** The pages of what `at` gives the address of, by cursor. Another list forgets the pages of the last one. */
export function usePages<Page extends { next: string | null }, Row>(
  at: (cursor?: string) => Address<Page>,
  rowsOf: (page: Page) => readonly Row[],
  everyMs: number,
): Pages<Page, Row> {
  const first = at()
  const { answer, error } = usePoll(first, everyMs)
  const [loaded, setLoaded] = useState<{ address: string; rows: readonly Row[]; next: string | null }>()
  const { busy, error: moreError, act } = useAct()
  // More of another list may come after this one was asked for.
  const more = loaded?.address === first.address ? loaded : undefined
  const next = more ? more.next : (answer?.next ?? null)
  const loadMore = () =>
    act(async () => {
      if (next === null) return
      const page = await get(at(next))
      const known = more?.rows ?? (answer ? rowsOf(answer) : [])
      setLoaded({ address: first.address, rows: [...known, ...rowsOf(page)], next: page.next })
    })
  return { answer, more: more?.rows ?? [], next, error: error ?? moreError, busy, loadMore }
}
