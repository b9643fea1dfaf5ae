import type { ActualFunction } from './actual.ts'
import { liveVersion } from './plan.ts'
import type { Service } from './service.ts'

/** What is deployed, as lines for people: each function with its version, triggers and URL. */
export function describeService(
  { name, stage, region, functions: declared }: Service,
  functions: ActualFunction[],
): string[] {
  const missing = declared.filter((one) => functions.every((actual) => actual.name !== one.name))
  return [
    `service: ${name}, stage: ${stage}, region: ${region}`,
    ...functions.flatMap((one) => {
      const live = liveVersion(one)
      const since = live === undefined ? '' : `, of release ${live.release.time}`
      return [
        `${one.name}: ${one.status}, version ${one.live}${since}, ${one.configuration.MemorySize} MB, ${one.configuration.Timeout} s`,
        ...one.triggers.map(({ type, name: trigger, cron, url, isOpen }) =>
          [`  ${type} ${trigger}:`, cron ?? url ?? '', isOpen ? '' : '(closed)'].filter(Boolean).join(' '),
        ),
      ]
    }),
    ...missing.map((one) => `${one.name}: not deployed`),
  ]
}
