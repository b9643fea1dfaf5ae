import { cell, useCell } from './cell.ts'
import { serverNow } from './state.ts'

const second = cell(serverNow())

/** Lets the time of `useNow` go on, once a second while the page is seen. */
export function runClock(): void {
  const tick = () => void (document.hidden || second.set(serverNow()))
  setInterval(tick, 1_000)
  document.addEventListener('visibilitychange', tick)
}

/** The server's time in milliseconds; the component is drawn again each second. */
export const useNow = (): number => useCell(second)
