// A deployment from beginning to end: look, tell what will change, change it in an order that never leaves the service worse
// off than before. Running it again finishes what was interrupted.
import pMap from 'p-map'
import { AppError, codeOf } from '../errors.ts'
import type { Cloud } from '../tencent.ts'
import { listOwn, readFunction } from './actual.ts'
import { apply, deleteFunction } from './apply.ts'
import type { DesiredFunction } from './desired.ts'
import { digest, type Release, timeOf } from './mark.ts'
import { type Change, type Plan, planFunction, releaseOf } from './plan.ts'
import type { Service } from './service.ts'

/** Everything that has to change. */
export interface DeploymentPlan {
  functions: Plan[]
  /** Functions of this service and stage that are declared no more. */
  removed: string[]
  release: Release
}

export interface Deployment {
  /** Whose functions they are. */
  service: Pick<Service, 'name' | 'stage'>
  desired: DesiredFunction[]
  /** The key of the only function to look at; undefined: all, and what is declared no more. */
  only?: string | undefined
}

/** Looks at the cloud and plans. Changes nothing. Throws `config_invalid` for what cannot be. */
export async function planDeployment(
  cloud: Cloud,
  { service, desired, only }: Deployment,
  now: Date,
): Promise<DeploymentPlan> {
  const chosen = desired.filter(({ key }) => only === undefined || key === only)
  const [actual, { own }] = await Promise.all([
    pMap(chosen, ({ name }) => readFunction(cloud, name), { concurrency: 2 }),
    only === undefined ? listOwn(cloud, service) : { own: [] },
  ])
  const id = digest(desired.map(({ fingerprint }) => fingerprint))
  return {
    functions: chosen.map((one, i) => planFunction(one, actual[i])),
    removed: own.filter((name) => desired.every((one) => one.name !== name)),
    release: releaseOf(actual, id, timeOf(now)),
  }
}

export function isEmpty({ functions, removed }: DeploymentPlan): boolean {
  return removed.length === 0 && functions.every(({ changes }) => changes.length === 0)
}

const isTrigger = ({ type }: Change) => type === 'addTrigger' || type === 'changeTrigger' || type === 'removeTrigger'

/**
 * Makes the changes: first what is invoked at a deployment (the old code runs beside the new schema), then the others, each
 * going live whole, then the triggers. Whatever fails, what was live before stays live with its triggers.
 */
export async function applyDeployment(
  cloud: Cloud,
  { desired }: Deployment,
  plan: DeploymentPlan,
  tell: (line: string) => void,
): Promise<void> {
  const changing = desired.filter(({ key }) => plan.functions.some((one) => one.key === key && one.changes.length > 0))
  const inOrder = [...changing.filter((one) => one.isInvokedFirst), ...changing.filter((one) => !one.isInvokedFirst)]
  for (const isOfStep of [(change: Change) => !isTrigger(change), isTrigger]) {
    for (const one of inOrder) await bring(cloud, one, isOfStep, plan.release, tell)
  }
  for (const name of plan.removed) {
    await deleteFunction(cloud, name)
    tell(`${name}: removed`)
  }
}

/** How often a function is looked at anew after a call of which nobody knows whether it took effect. */
const LOOKS = 5

/** Looks at a function once more, since its turn may come minutes after the plan, and makes the changes of a step. */
async function bring(
  cloud: Cloud,
  desired: DesiredFunction,
  isOfStep: (change: Change) => boolean,
  release: Release,
  tell: (line: string) => void,
): Promise<void> {
  for (let look = 1; ; look += 1) {
    const { changes } = planFunction(desired, await readFunction(cloud, desired.name))
    try {
      for (const change of changes.filter(isOfStep)) {
        const more = await apply(cloud, desired, change, release)
        tell(`${desired.name}: ${DONE[change.type]}${more === undefined ? '' : `: ${more}`}`)
      }
      return
    } catch (error) {
      if (look === LOOKS || !isUnclear(error)) throw error
    }
  }
}

const DONE: Record<Change['type'], string> = {
  create: 'created',
  delete: 'removed, since its creation had failed',
  code: 'code sent',
  configuration: 'configuration changed',
  invoke: 'invoked',
  publish: 'published',
  reserve: 'concurrency reserved',
  asynchronous: 'retries and age of asynchronous invocations set',
  addTrigger: 'trigger added',
  changeTrigger: 'trigger changed',
  removeTrigger: 'trigger removed',
}

/** It may have taken effect, and so may have the same call of somebody else. */
function isUnclear(error: unknown): boolean {
  if (!(error instanceof AppError)) return false
  return (
    error.code === 'cloud_unreachable' ||
    (error.code === 'cloud_refused' && codeOf(error.cause).startsWith('ResourceInUse'))
  )
}
