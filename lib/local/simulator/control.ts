// The simulator's own side, for people and tests in another process: the truth, the settings, the faults. It is not
// part of the Digital Human API and is not signed, so the server offers it to this machine only.
import { parseFault } from './faults.ts'
import { parseSettings } from './settings.ts'
import { advance, type Simulator } from './simulator.ts'

/** What a control request gets: an HTTP status and a value to send as JSON. */
export interface ControlAnswer {
  status: number
  value: unknown
}

/**
 * `GET /truth` · `GET`, `PATCH /settings` · `GET`, `POST`, `DELETE /faults` (a fault or a list of them); null for any
 * other request. A wrong setting or fault is 400 with the reason, and changes nothing.
 */
export function control(simulator: Simulator, request: string, body: string): ControlAnswer | null {
  switch (request) {
    case 'GET /truth':
      advance(simulator)
      return ok({ now: simulator.reached, transitions: simulator.truth })
    case 'GET /settings':
      return ok(simulator.settings)
    case 'PATCH /settings':
      return attempt(() => Object.assign(simulator.settings, parseSettings(JSON.parse(body))))
    case 'GET /faults':
      return ok(simulator.faults)
    case 'POST /faults':
      return attempt(() => {
        simulator.faults.push(...[JSON.parse(body)].flat().map(parseFault))
        return simulator.faults
      })
    case 'DELETE /faults':
      simulator.faults.length = 0
      return ok(simulator.faults)
    default:
      return null
  }
}

function ok(value: unknown): ControlAnswer {
  return { status: 200, value }
}

function attempt(change: () => unknown): ControlAnswer {
  try {
    return ok(change())
  } catch (error) {
    return { status: 400, value: { error: error instanceof Error ? error.message : String(error) } }
  }
}
