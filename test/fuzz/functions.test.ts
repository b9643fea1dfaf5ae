// The built functions, loaded in this process, with any event and any context. The double at the network's rim is the
// simulator. What SCF hands over must never decide whether a tick or a drain happens.
import { createRequire } from 'node:module'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { createSession } from '../../lib/local/simulator/simulator.ts'
import { openWorld, type SimulatedAccount, type World } from '../support/world.ts'
import { runs } from './effort.ts'
import { anyChange, anyJson, json, meaning, write } from './json.ts'

type Handler = (event: unknown, context: unknown) => Promise<unknown>
const handler = (name: string) =>
  (createRequire(import.meta.url)(`../../dist/functions/${name}.js`) as { main_handler: Handler }).main_handler

let world: World
let api: SimulatedAccount
const printed: string[] = []
beforeAll(async () => {
  world = await openWorld()
  api = await world.simulate('default', { capacity: 100_000 })
  await world.subscribe()
  for (const [name, value] of Object.entries(api.env)) vi.stubEnv(name, value)
  vi.spyOn(console, 'log').mockImplementation((line: string) => void printed.push(line))
})
afterEach(() => void printed.splice(0))
afterAll(async () => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  await world.close()
})

const noSecrets = fc.constantFrom('Timer', '{}')
const limits = fc.oneof(
  fc.constantFrom<unknown>(
    undefined,
    null,
    0,
    -1,
    -0,
    999,
    1_000,
    1_499,
    1_500,
    60_000,
    900_000,
    2 ** 31,
    2 ** 53,
    1e308,
  ),
  fc.constantFrom<unknown>(NaN, Infinity, -Infinity, '60000', '', true, [], {}, [60_000], 10n),
  fc.double(),
)
/** As SCF hands it over. Source: Tencent 583/9210. */
const CONTEXT = {
  callback_waits_for_empty_event_loop: true,
  memory_limit_in_mb: 128,
  request_id: 'r',
  function_name: 'f',
}
const contexts = fc.oneof(
  limits.map((time_limit_in_ms): unknown => ({ ...CONTEXT, time_limit_in_ms })),
  changed({ ...CONTEXT, time_limit_in_ms: 60_000 }),
  fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }),
)
const TIMER = { Type: 'Timer', TriggerName: 'tick', Time: '2026-11-22T10:00:00Z', Message: '' }
const events = fc.oneof(
  changed(TIMER),
  anyJson(noSecrets).map((tree) => meaning(write(tree))),
  fc.anything(),
)

function changed(right: object): fc.Arbitrary<unknown> {
  return fc
    .array(anyChange(noSecrets), { maxLength: 2 })
    .map((changes) => meaning(write(changes.reduce((before, change) => change(before), json(right)))))
}

function expectOneHarmlessLine(): void {
  const lines = printed.splice(0)
  expect(lines).toHaveLength(1)
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: expect.any(String) as string })
  expect(lines[0]).not.toContain(api.account.api.accessToken)
  expect(lines[0]).not.toMatch(/rtmp:|whsec_/)
}

/** So little time is left beside the reserve that a tick would not begin. */
const hasNoTime = (context: unknown) => {
  const limit: unknown = typeof context === 'object' && context !== null ? Reflect.get(context, 'time_limit_in_ms') : 0
  return typeof limit === 'number' && limit >= 1_000 && limit < 1_100
}

test('reconcile ticks, whatever event and context it gets', async () => {
  const reconcile = handler('reconcile')

  await fc.assert(
    fc.asyncProperty(events, contexts, async (event, context) => {
      createSession(api.simulator, { userId: `u${Math.random()}`, projectId: 'p' })

      const result = await reconcile(event, context).catch((error: unknown) => error)

      expectOneHarmlessLine()
      if (result instanceof Error && hasNoTime(context)) return
      expect(result).toMatchObject({ accounts: [{ account: 'default', outcome: 'committed', complete: true }] })
    }),
    runs(60),
  )
})

test('webhook drains, whatever event and context it gets', async () => {
  const webhook = handler('webhook')

  await fc.assert(
    fc.asyncProperty(events, contexts, async (event, context) => {
      const result = await webhook(event, context)

      expectOneHarmlessLine()
      expect(result).toMatchObject({ retried: 0, dead: 0 })
    }),
    runs(60),
  )
})

test('migrate finds nothing to apply, whatever event and context it gets', async () => {
  await fc.assert(
    fc.asyncProperty(events, contexts, async (event, context) => {
      expect(await handler('migrate')(event, context)).toEqual({ applied: [] })
      expectOneHarmlessLine()
    }),
    runs(20),
  )
})
