// A plan as text, for people. It must never show the value of an environment variable.
import type { ActualTrigger } from './actual.ts'
import type { DeploymentPlan } from './deploy.ts'
import type { DesiredFunction } from './desired.ts'
import type { Change, Difference } from './plan.ts'
import type { Trigger } from './service.ts'

/** The lines of a plan: `+` is added, `~` changed, `-` removed. */
export function showPlan({ functions, removed }: DeploymentPlan, desired: DesiredFunction[]): string[] {
  const lines = functions.flatMap(({ key, name, changes }) => {
    const zip = desired.find((one) => one.key === key)?.zip.length ?? 0
    return changes.length === 0
      ? [`  ${name}`]
      : [`${sign(changes)} ${name}`, ...changes.flatMap((change) => showChange(change, zip))]
  })
  return [...lines, ...removed.map((name) => `- ${name}: it is in serverless.yml no more`)]
}

const sign = (changes: Change[]) => (changes.some(({ type }) => type === 'create') ? '+' : '~')

function showChange(change: Change, zipBytes: number): string[] {
  switch (change.type) {
    case 'create':
      return [`    + code, ${kilobytes(zipBytes)}, and configuration`]
    case 'delete':
      return ['    - what is left of a creation that failed']
    case 'code':
      return [`    ~ code, ${kilobytes(zipBytes)}`]
    case 'configuration':
      return change.differences.flatMap(showDifference)
    case 'invoke':
      return ['    ~ is invoked, and must succeed before anything else changes']
    case 'publish':
      return [`    ~ live: ${change.from || 'nothing'} → a new version`]
    case 'reserve':
      return [`    ~ reserved concurrency: ${change.from ?? 0} → ${change.to ?? 0} MB`]
    case 'asynchronous': {
      const { to } = change
      return [`    ~ asynchronous invocations: ${to.retries} retries, kept for ${to.maxAgeSeconds} s`]
    }
    case 'addTrigger':
      return [`    + ${showTrigger(change.trigger)}`]
    case 'changeTrigger':
      return [`    ~ ${showTrigger(change.trigger)}`]
    case 'removeTrigger':
      return [`    - ${showTrigger(change.trigger)}`]
  }
}

function showDifference({ field, from, to }: Difference): string[] {
  const [group, name] = field.split('.')
  // It follows the code, which is told.
  if (field === 'Description') return []
  if (group !== 'Environment') return [`    ~ ${field}: ${from || 'none'} → ${to || 'none'}`]
  return [`    ${from === undefined ? '+' : to === undefined ? '-' : '~'} environment ${name}`]
}

function showTrigger(trigger: Trigger | ActualTrigger): string {
  const what = 'cron' in trigger && trigger.cron !== null ? trigger.cron : 'auth' in trigger ? trigger.auth : null
  return `trigger ${trigger.name} (${[trigger.type, what].filter(Boolean).join(': ')})`
}

/** Bytes as people read them. */
export function kilobytes(bytes: number): string {
  return `${(bytes / 1_000).toFixed(1)} kB`
}
