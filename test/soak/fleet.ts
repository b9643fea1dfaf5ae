// The function processes: of each function one that lives as long as the soak, so that its memory can be judged, and one
// that is killed again and again.
import { once } from 'node:events'
import { type FunctionLoop, loopBundle } from '../support/bundle.ts'

export type FunctionName = 'reconcile' | 'webhook'

/** A tick a few times a second: sessions then live through several. A drain that found nothing waits a little. */
const PAUSE_MS = { reconcile: 150, webhook: 25 }

interface Place {
  name: FunctionName
  loop: FunctionLoop
}

export interface Fleet {
  kept: Place[]
  mortal: Place[]
  env: Record<string, string>
  /** Told when a process ends that nobody ended. */
  onEnd: (what: string) => void
  ending: Set<FunctionLoop>
}

export function startFleet(env: Record<string, string>, onEnd: Fleet['onEnd']): Fleet {
  const fleet: Fleet = { kept: [], mortal: [], env, onEnd, ending: new Set() }
  for (const name of ['reconcile', 'webhook'] as const) {
    fleet.kept.push({ name, loop: start(fleet, name) })
    fleet.mortal.push({ name, loop: start(fleet, name) })
  }
  return fleet
}

function start(fleet: Fleet, name: FunctionName): FunctionLoop {
  const loop = loopBundle(name, fleet.env, { pauseMs: PAUSE_MS[name] })
  loop.process.once('exit', (code, signal) => {
    if (!fleet.ending.has(loop)) fleet.onEnd(`${name} ended by itself with ${signal ?? code}`)
  })
  return loop
}

/** Kills a mortal one in the middle of whatever it does, and starts another in its place. */
export async function killOne(fleet: Fleet, place: Place): Promise<void> {
  const { loop } = place
  const { exitCode, signalCode } = loop.process
  const ended = exitCode === null && signalCode === null ? once(loop.process, 'exit') : undefined
  fleet.ending.add(loop)
  loop.process.kill('SIGKILL')
  await ended
  fleet.ending.delete(loop)
  place.loop = start(fleet, place.name)
}

/** Lets those of one function finish what they do and end. */
export async function stopAll(fleet: Fleet, name: FunctionName): Promise<void> {
  const places = [...fleet.kept, ...fleet.mortal].filter((place) => place.name === name)
  for (const { loop } of places) fleet.ending.add(loop)
  await Promise.all(places.map(({ loop }) => loop.stop()))
}

/** Starts those of one function again, after `stopAll`. */
export function startAgain(fleet: Fleet, name: FunctionName): void {
  for (const place of [...fleet.kept, ...fleet.mortal]) if (place.name === name) place.loop = start(fleet, name)
}

/** Ends whatever still runs, when something went wrong. */
export function endFleet(fleet: Fleet): void {
  for (const { loop } of [...fleet.kept, ...fleet.mortal]) {
    fleet.ending.add(loop)
    loop.process.kill('SIGKILL')
  }
}
