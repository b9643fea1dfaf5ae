// What test/core/diff.test.ts leaves open: sessions that there was no time to ask for, and windows after incomplete listings.
// A model of its own follows every session with no more than counters. No doubles: pure functions.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { diff, type Known, toAsk } from '../../lib/core/diff.ts'
import { makeListing, type Session } from '../../lib/core/session.ts'
import { at, ticks as oneTick } from '../core/build.ts'
import { runs } from './effort.ts'

const IDS = ['m1', 'm2', 'm3', 'm4']
const histories = fc.array(
  fc.tuple(oneTick, fc.subarray(IDS), fc.constantFrom(1, 1, 1, 5)).map(([tick, unasked, minutes]) => ({
    ...tick,
    unasked: new Set(unasked),
    minutes,
  })),
  { minLength: 1, maxLength: 20 },
)

/** What the model knows of an id: its incarnation, its events, and how many complete listings were without it. */
interface Life {
  incarnation: number
  live: boolean
  told: string[]
  without: number
}

test('over any history with sessions left unasked, each one lives, waits and ends as a model of counters says', () => {
  fc.assert(
    fc.property(histories, (history) => {
      const lives = new Map<string, Life>()
      let open = new Map<string, Session>()
      let [minute, listedAt, completeAt]: [number, Date | null, Date | null] = [0, null, null]

      for (const tick of history) {
        minute += tick.minutes
        const listing = makeListing(tick.items, tick.unreadable)
        const ended = [...lives].filter(([, life]) => !life.live && life.incarnation > 0)
        const known: Known = {
          open: [...open.values()],
          ended: new Map(ended.map(([id, { incarnation }]) => [id, incarnation])),
        }
        const unasked = new Set(toAsk(known, listing).filter((id) => tick.unasked.has(id)))
        const evidence = new Map([...tick.evidence].filter(([id]) => !unasked.has(id)))
        const window = { after: listedAt, completeAfter: completeAt, before: at(minute) }

        const { transitions, complete, settled } = diff(known, listing, evidence, window, unasked)

        const looks = new Map(listing.sessions.map(({ id, look }) => [id, look]))
        const isAlive = (status: number | undefined) => status === 1 || status === 3
        const word = (id: string) => {
          const said = evidence.get(id)
          return said?.kind === 'found' ? said.status : undefined
        }
        const wasOpen = IDS.filter((id) => lives.get(id)?.live)
        const isShort = wasOpen.some((id) => !looks.has(id) && isAlive(word(id)))
        expect(complete).toBe(!isShort && tick.unreadable === 0)

        const expected: string[] = []
        for (const id of IDS) {
          const life = lives.get(id) ?? { incarnation: 0, live: false, told: [], without: 0 }
          lives.set(id, life)
          const status = looks.get(id)?.status
          if (!life.live) {
            const returns = status !== undefined && (life.incarnation === 0 || isAlive(status))
            if (!returns) continue
            Object.assign(life, { incarnation: life.incarnation + 1, live: true, told: [], without: 0 })
          }
          const last = status ?? word(id)
          if (last === 2 || last === 4) {
            expected.push(`${id} reported`)
            life.live = false
          } else if (status !== undefined || isAlive(last)) life.without = 0
          else if (evidence.get(id)?.kind === 'gone' && tick.unreadable === 0) {
            expected.push(`${id} gone`)
            life.live = false
          } else if (complete && !unasked.has(id) && (life.without += 1) === 3) {
            expected.push(`${id} absent`)
            life.live = false
          }
        }
        const ends = transitions.flatMap(({ after }) => (after.end ? [`${after.id} ${after.end.reason}`] : []))
        expect(ends.sort()).toEqual(expected.sort())

        open = new Map(open)
        for (const { before, after, changes } of transitions) {
          const life = lives.get(after.id)
          life?.told.push(...changes)
          expect(after.incarnation).toBe(life?.incarnation)
          expect(after.revision).toBe(life?.told.length)
          expect(life?.told.join(' ')).toMatch(/^created( ready( started)?)?( closed| failed)?$/)
          const firstSeen = before ? before.firstSeen : { after: completeAt, before: at(minute) }
          expect(after.firstSeen).toEqual(firstSeen)
          if (after.end) open.delete(after.id)
          else open.set(after.id, after)
        }
        expect([...open.keys()].sort()).toEqual(IDS.filter((id) => lives.get(id)?.live))
        expect(settled).toBe(complete && [...open.values()].every(({ missing }) => !missing))
        listedAt = at(minute)
        if (complete) completeAt = at(minute)
      }
    }),
    runs(1_000),
  )
})
