// What SCF keeps of a function: $LATEST, which changes, published versions, which do not, aliases, and triggers. Every
// change is asynchronous: a version is Active only some time after the call (Tencent 583/115197, 583/37883). Inferred,
// since no document says it: an update shows when it is done, and a publication keeps $LATEST from being changed, too.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type {
  GetFunctionResponse,
  StatusReason,
} from 'tencentcloud-sdk-nodejs-scf/tencentcloud/services/scf/v20180416/scf_models'
import { ApiError } from './api-error.ts'
import type { Code } from './code.ts'

export const LATEST = '$LATEST'

/** The configuration, in the API's own names. */
export type Settings = Required<
  Pick<
    GetFunctionResponse,
    | 'Handler'
    | 'Description'
    | 'MemorySize'
    | 'Timeout'
    | 'InitTimeout'
    | 'Runtime'
    | 'Environment'
    | 'VpcConfig'
    | 'Role'
    | 'ClsLogsetId'
    | 'ClsTopicId'
    | 'PublicNetConfig'
    | 'DnsCache'
    | 'Tags'
  >
>

export type Status =
  'Creating' | 'CreateFailed' | 'Active' | 'Updating' | 'UpdateFailed' | 'Publishing' | 'PublishFailed' | 'Deleting'

export interface Version {
  name: string
  settings: Settings
  code: Code
  status: Status
  /** Why the last change failed. */
  reasons: StatusReason[]
  addedAt: Date
  modifiedAt: Date
  /** Counts the changes: an instance of an older one is not used again. */
  revision: number
  /** Resolves when the change that is under way is done, well or not. */
  settled: Promise<void>
}

export interface AliasState {
  name: string
  version: string
  description: string
  addedAt: Date
  modifiedAt: Date
}

export interface TriggerState {
  name: string
  type: 'timer' | 'http'
  /** Of a timer its cron expression, of a function URL its JSON. */
  desc: string
  qualifier: string
  isOpen: boolean
  argument: string
  description: string
  addedAt: Date
  modifiedAt: Date
  /** What makes a function URL unique. */
  urlId: string
}

export interface FunctionState {
  id: string
  name: string
  latest: Version
  published: Version[]
  /** Version numbers are not used again. */
  lastNumber: number
  aliases: AliasState[]
  triggers: TriggerState[]
  reservedMb: number | null
  /** Of asynchronous invocations (583/41138). */
  retryNum: number
  ttlSeconds: number
}

export function newFunction(name: string, settings: Settings, code: Code): FunctionState {
  const now = new Date()
  return {
    id: `lam-${randomUUID().slice(0, 8)}`,
    name,
    latest: newVersion(LATEST, settings, code),
    published: [],
    lastNumber: 0,
    // Exists from the creation on and cannot be deleted (583/36149).
    aliases: [{ name: '$DEFAULT', version: LATEST, description: '', addedAt: now, modifiedAt: now }],
    triggers: [],
    reservedMb: null,
    retryNum: 2,
    ttlSeconds: 21_600,
  }
}

export function newVersion(name: string, settings: Settings, code: Code): Version {
  const now = new Date()
  const reasons: StatusReason[] = []
  const settled = Promise.resolve()
  return { name, settings, code, status: 'Active', reasons, addedAt: now, modifiedAt: now, revision: 0, settled }
}

export function versionsOf({ latest, published }: FunctionState): Version[] {
  return [latest, ...published]
}

/** The version that a version's number, an alias or $LATEST stands for. Throws ResourceNotFound.… */
export function resolve(state: FunctionState, qualifier = LATEST): Version {
  const name = state.aliases.find((alias) => alias.name === qualifier)?.version ?? qualifier
  const version = versionsOf(state).find((version) => version.name === name)
  if (version) return version
  const what = /^\d+$/.test(qualifier) ? 'FunctionVersion' : 'Alias'
  throw new ApiError(`ResourceNotFound.${what}`, `${state.name} has no version or alias ${qualifier}.`)
}

/** Whether it may be changed and invoked now: after a failed update the content of before serves (583/115197). */
export function isReady({ status }: Version): boolean {
  return status === 'Active' || status === 'UpdateFailed'
}

/** Throws the code unless it is ready. */
export function assertReady(version: Version, code = 'FailedOperation.FunctionStatusError'): void {
  if (isReady(version)) return
  throw new ApiError(code, `The function is ${version.status}. Please try again when it is Active.`)
}

/** Whether a change has begun that is not done. */
export function isUnderWay({ status }: Version): boolean {
  return status === 'Creating' || status === 'Updating' || status === 'Publishing'
}

/** Begins a change of a version: applied after some time, or after it failed when it has a reason to. */
export function change(
  version: Version,
  kind: 'Create' | 'Update' | 'Publish',
  { afterMs, failsFor, apply }: { afterMs: number; failsFor: StatusReason | null; apply: () => void },
): void {
  version.status = kind === 'Create' ? 'Creating' : kind === 'Update' ? 'Updating' : 'Publishing'
  version.reasons = []
  version.settled = sleep(afterMs, undefined, { ref: false }).then(() => {
    version.modifiedAt = new Date()
    if (failsFor) {
      version.status = `${kind}Failed`
      version.reasons = [failsFor]
    } else {
      apply()
      version.status = 'Active'
    }
  })
}
