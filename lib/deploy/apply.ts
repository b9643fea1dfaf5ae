// Makes the changes of a plan, each by the calls it takes, and waits until SCF is done with it. Crash anywhere: what is missing
// is in the next plan.
import type * as Scf from 'tencentcloud-sdk-nodejs-scf/tencentcloud/services/scf/v20180416/scf_models'
import { AppError } from '../errors.ts'
import { type Cloud, LATEST, LIVE } from '../tencent.ts'
import { configurationOf } from './actual.ts'
import type { Configuration, DesiredFunction } from './desired.ts'
import { invoke } from './invoke.ts'
import { functionMark, type Release, versionMark } from './mark.ts'
import { type Change, differencesOf } from './plan.ts'
import { orNothing, scf, untilActive, untilGone } from './scf.ts'
import type { Trigger } from './service.ts'

/** Makes one change. Gives what is worth telling beyond that it is done, or undefined. Throws what scf.ts throws. */
export async function apply(
  cloud: Cloud,
  desired: DesiredFunction,
  change: Change,
  release: Release,
): Promise<string | undefined> {
  const it = { FunctionName: desired.name }
  switch (change.type) {
    case 'create': {
      const { Runtime, Handler } = desired.configuration
      const code = { Runtime: String(Runtime), Handler: String(Handler), Code: { ZipFile: base64(desired.zip) } }
      await scf(cloud, 'CreateFunction', {
        ...it,
        ...code,
        Type: 'Event',
        ...requestOf(desired.configuration, isSetAtCreation),
      })
      await untilActive(cloud, desired.name)
      return undefined
    }
    case 'delete':
      await deleteFunction(cloud, desired.name)
      return undefined
    case 'code':
      // Or the description would tell of the old code when this ends before it tells of the new one.
      await scf(cloud, 'UpdateFunctionConfiguration', { ...it, Description: functionMark(desired.owner) })
      await untilActive(cloud, desired.name)
      await scf(cloud, 'UpdateFunctionCode', {
        ...it,
        Handler: String(desired.configuration.Handler),
        ZipFile: base64(desired.zip),
      })
      await untilActive(cloud, desired.name)
      return undefined
    case 'configuration': {
      const fields = change.differences.map(({ field }) => field)
      const isChanged = (group: string) => fields.some((field) => groupOf(field) === group)
      await scf(cloud, 'UpdateFunctionConfiguration', { ...it, ...requestOf(desired.configuration, isChanged) })
      await untilActive(cloud, desired.name)
      return undefined
    }
    case 'invoke':
      return invokeFirst(cloud, desired)
    case 'publish': {
      const version = await publish(cloud, desired, release)
      await scf(cloud, 'UpdateAlias', { ...it, Name: LIVE, FunctionVersion: version })
      return `version ${version} is live`
    }
    case 'reserve':
      if (change.to === null) await orNothing(scf(cloud, 'DeleteReservedConcurrencyConfig', it))
      else await scf(cloud, 'PutReservedConcurrencyConfig', { ...it, ReservedConcurrencyMem: change.to })
      return undefined
    case 'asynchronous': {
      const { retries, maxAgeSeconds } = change.to
      const AsyncTriggerConfig = { RetryConfig: [{ RetryNum: retries }], MsgTTL: maxAgeSeconds }
      await scf(cloud, 'UpdateFunctionEventInvokeConfig', { ...it, AsyncTriggerConfig })
      return undefined
    }
    case 'addTrigger':
      await scf(cloud, 'CreateTrigger', { ...it, ...triggerRequest(change.trigger) })
      return undefined
    case 'changeTrigger':
      await scf(cloud, 'UpdateTrigger', { ...it, ...triggerRequest(change.trigger) })
      return undefined
    case 'removeTrigger': {
      const { name, type, qualifier } = change.trigger
      await orNothing(scf(cloud, 'DeleteTrigger', { ...it, TriggerName: name, Type: type, Qualifier: qualifier }))
      return undefined
    }
  }
}

/** Removes a function with all its versions; done when it is gone. */
export async function deleteFunction(cloud: Cloud, name: string): Promise<void> {
  await orNothing(scf(cloud, 'DeleteFunction', { FunctionName: name }))
  await untilGone(cloud, name)
}

/** Publishes what there is as a version; gives it once it is sure to be what is desired. */
async function publish(
  cloud: Cloud,
  { name, fingerprint, configuration }: DesiredFunction,
  release: Release,
): Promise<string> {
  const Description = versionMark({ release, fingerprint })
  const { FunctionVersion } = await scf(cloud, 'PublishVersion', { FunctionName: name, Description })
  if (FunctionVersion === undefined)
    throw new AppError('cloud_unreachable', `PublishVersion of ${name} gave no version`)
  const published = configurationOf(await untilActive(cloud, name, FunctionVersion))
  const { Description: mark } = configurationOf(await untilActive(cloud, name))
  // A version has a description of its own; that of the function says which code was sent last.
  if (differencesOf(configuration, { ...published, Description: mark ?? '' }).length === 0) return FunctionVersion
  throw new AppError(
    'deploy_failed',
    `function ${name} was changed by somebody else meanwhile: what was live stays live; run this again`,
  )
}

/** What is invoked at the deployment must succeed there, as the new version: the one before stays live otherwise. */
async function invokeFirst(cloud: Cloud, { name, configuration }: DesiredFunction): Promise<string> {
  const { answer, fault } = await invoke(cloud, name, {
    qualifier: LATEST,
    timeoutSeconds: Number(configuration.Timeout),
  })
  if (fault === undefined) return answer
  throw new AppError(
    'deploy_failed',
    `function ${name} failed: ${fault}. The version before stays live with its timers`,
  )
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')

const groupOf = (field: string) => field.split('.')[0] ?? field
/** What CreateFunction refuses to have empty is left out there. */
const isSetAtCreation = (group: string, isBlank: boolean) => !isBlank

type ConfigurationRequest = Omit<Scf.UpdateFunctionConfigurationRequest, 'FunctionName'>

/** The fields of the wanted groups as the API takes them; what belongs together is sent whole. */
function requestOf(
  configuration: Configuration,
  isWanted: (group: string, isBlank: boolean) => boolean,
): ConfigurationRequest {
  const request: Record<string, unknown> = {}
  for (const group of new Set(Object.keys(configuration).map(groupOf))) {
    const fields = Object.entries(configuration).filter(([field]) => groupOf(field) === group)
    const isBlank = fields.every(([, value]) => value === '')
    if (group === 'Runtime' || group === 'Handler' || !isWanted(group, isBlank)) continue
    request[group] = fields.length === 1 && fields[0]?.[0] === group ? fields[0][1] : nested(group, fields)
  }
  // The last variable was removed: nothing of its group is left to be seen above.
  if (isWanted('Environment', true) && request.Environment === undefined) request.Environment = { Variables: [] }
  return request
}

function nested(group: string, fields: [string, string | number][]): unknown {
  const entries = fields.map(([field, value]) => [field.slice(group.length + 1), value] as const)
  return group === 'Environment'
    ? { Variables: entries.map(([Key, Value]) => ({ Key, Value: String(Value) })) }
    : Object.fromEntries(entries)
}

function triggerRequest(trigger: Trigger): Omit<Scf.CreateTriggerRequest, 'FunctionName'> {
  const TriggerDesc =
    trigger.type === 'timer'
      ? trigger.cron
      : JSON.stringify({ AuthType: trigger.auth, NetConfig: { EnableIntranet: false, EnableExtranet: true } })
  return { TriggerName: trigger.name, Type: trigger.type, TriggerDesc, Qualifier: LIVE, Enable: 'OPEN' }
}
