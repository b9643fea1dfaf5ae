// The same POSTs by Rollcall's HTTP client alone: what is due is in memory, and nothing is written down.
import { answer } from '../program.ts'
import { type Contestant, inTurn, measured, postSigned } from './contestant.ts'
import { type Event, eventsOf, type Target } from './work.ts'

let events: Event[]
let targets: Target[]
let atOnce: number

const questions: Contestant = {
  open: () => Promise.resolve(),
  fill: async (deliveries, given, terms) => {
    targets = given
    atOnce = terms.atOnce
    events = eventsOf(deliveries / targets.length).events
  },
  drain: () => measured(() => inTurn(events.length * targets.length, atOnce, post)),
  close: () => Promise.resolve(),
}

/** Each event to all endpoints before the next. */
async function post(index: number): Promise<void> {
  const [event, target] = [events[Math.floor(index / targets.length)], targets[index % targets.length]]
  if (event && target) await postSigned(target, event.id, event.body)
}

answer({ ...questions })
