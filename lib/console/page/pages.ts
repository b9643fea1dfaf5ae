import { useState } from 'preact/hooks'
import { type Address, get } from './api.ts'
import { useAct } from './parts/act.tsx'
import { usePoll } from './poll.ts'

/** A list of which the first page is looked at again and again, and the others once, when they are asked for. */
interface Pages<Page, Row> {
  /** The first page. */
  answer: Page | undefined
  /** The rows of the first page as it is now, and those below it that were asked for. */
  rows: readonly Row[]
  /** Where the next page begins; null: there is none. */
  next: string | null
  error: unknown
  busy: boolean
  loadMore: () => void
}

/** What a list's rows are, and which come below another one. */
interface Order<Page, Row> {
  rowsOf: (page: Page) => readonly Row[]
  keyOf: (row: Row) => string
  isBelow: (row: Row, other: Row) => boolean
}

/** The pages of what `at` gives the address of, by cursor. Another list forgets the pages of the last one. */
export function usePages<Page extends { next: string | null }, Row>(
  at: (cursor?: string) => Address<Page>,
  { rowsOf, keyOf, isBelow }: Order<Page, Row>,
  everyMs: number,
): Pages<Page, Row> {
  const first = at()
  const { answer, error } = usePoll(first, everyMs)
  const [loaded, setLoaded] = useState<{ address: string; rows: readonly Row[]; next: string | null }>()
  const [askedOf, setAskedOf] = useState('')
  const { busy, error: moreError, act } = useAct()
  // More of another list may come after this one was asked for.
  const more = loaded?.address === first.address ? loaded : undefined
  const hasMore = answer !== undefined && answer.next !== null
  const next = hasMore ? (more ?? answer).next : null
  const top = answer ? rowsOf(answer) : []
  const known = new Set(top.map(keyOf))
  const last = top.at(-1)
  // What is new pushes the end of the first page into the second; what fits no more leaves the first.
  const below = more?.rows.filter((row) => (!last || isBelow(row, last)) && !known.has(keyOf(row))) ?? []
  const rows = hasMore ? [...top, ...below] : top
  const loadMore = () =>
    act(async () => {
      if (next === null) return
      setAskedOf(first.address)
      const page = await get(at(next))
      setLoaded({ address: first.address, rows: [...(more?.rows ?? top), ...rowsOf(page)], next: page.next })
    })
  const ownError = askedOf === first.address ? moreError : undefined
  return { answer, rows, next, error: error ?? ownError, busy, loadMore }
}
