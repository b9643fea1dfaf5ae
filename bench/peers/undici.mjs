// The same POSTs by undici alone: what another HTTP client could give.
import { Agent, request } from 'undici'

export function contestant({ eventsOf, headersOf, inTurn, measured }) {
  let events, targets, atOnce, dispatcher

  async function post(index) {
    const { id, body } = events[Math.floor(index / targets.length)]
    const target = targets[index % targets.length]
    const headers = headersOf(target, id, body)
    const response = await request(target.url, { dispatcher, method: 'POST', headers, body })
    await response.body.dump()
    if (response.statusCode >= 300) throw new Error(`answered ${response.statusCode}`)
  }

  return {
    open: () => undefined,
    fill: async (deliveries, given, terms) => {
      targets = given
      atOnce = terms.atOnce
      events = eventsOf(deliveries / targets.length).events
      await dispatcher?.destroy()
      dispatcher = new Agent()
    },
    drain: () => measured(() => inTurn(events.length * targets.length, atOnce, post)),
    close: () => dispatcher?.destroy(),
  }
}
