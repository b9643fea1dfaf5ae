// Timer triggers (Tencent 583/9708): always asynchronous, so retried and without protection against overlap.
import { isDue } from './cron.ts'
import { newOrder } from './invoke.ts'
import { invokeLater } from './pool.ts'
import type { Region } from './region.ts'

/** Fires what is due at this second. Gives the request ids. */
export function tickTimers(region: Region, at: Date): string[] {
  const due = [...region.functions.values()].flatMap((state) =>
    state.triggers
      .filter(
        ({ type, isOpen, desc }) => type === 'timer' && isOpen && isDue(desc, at, region.settings.timerOffsetHours),
      )
      .map((trigger) => ({ state, trigger })),
  )
  return due.map(({ state, trigger: { name, argument, qualifier } }) => {
    const time = `${at.toISOString().slice(0, 19)}Z`
    const event = { Type: 'Timer', TriggerName: name, Time: time, Message: argument }
    const order = newOrder(state, qualifier, 'timer', event)
    invokeLater(region, order)
    return order.requestId
  })
}

/** Fires what is due at each second from the next on, none left out. Gives how to stop it. */
export function startClock(region: Region): () => void {
  let last = Math.floor(Date.now() / 1_000)
  const clock = setInterval(() => {
    for (const now = Math.floor(Date.now() / 1_000); last < now;) tickTimers(region, new Date(++last * 1_000))
  }, 50)
  return () => clearInterval(clock)
}
