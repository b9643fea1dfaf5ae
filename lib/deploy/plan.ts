// What has to change for the cloud to become what is desired: only the differences, in the order they are made. Pure.
import { AppError } from '../errors.ts'
import { type ActualFunction, type ActualTrigger, findTrigger, type PublishedVersion, triggerFault } from './actual.ts'
import { LIVE } from '../tencent.ts'
import type { Configuration, DesiredFunction } from './desired.ts'
import { functionMark, type Release, timeAfter } from './mark.ts'
import type { Trigger } from './service.ts'

/** A field of the configuration that differs. */
export interface Difference {
  field: string
  from: string | number | undefined
  to: string | number | undefined
}

/** One call or two: done, or not done. */
export type Change =
  | { type: 'create' }
  /** A creation that failed leaves a function that can only be removed; a removal under way is waited for. */
  | { type: 'delete' }
  | { type: 'code' }
  | { type: 'configuration'; differences: Difference[] }
  /** Invoked before it goes live; nothing else does unless it succeeds. */
  | { type: 'invoke' }
  /** From here on triggers and invocations arrive at this code and configuration, at once and whole. */
  | { type: 'publish'; from: string }
  | { type: 'reserve'; from: number | null; to: number | null }
  | { type: 'asynchronous'; from: ActualFunction['asynchronous']; to: DesiredFunction['asynchronous'] }
  | { type: 'addTrigger' | 'changeTrigger'; trigger: Trigger }
  | { type: 'removeTrigger'; trigger: ActualTrigger }

/** The changes of one function. */
export interface Plan {
  key: string
  name: string
  changes: Change[]
}

/** SCF gives this to a function it was told nothing about (Tencent 583/41138). */
const SCF_DEFAULT = { retries: 2, maxAgeSeconds: 21_600 }

/**
 * The plan of a function. Throws `config_invalid` for what cannot be changed: the runtime, and a function of another hand.
 */
export function planFunction(desired: DesiredFunction, actual: ActualFunction | undefined): Plan {
  const plan = { key: desired.key, name: desired.name }
  const created = actual === undefined || /^(CreateFailed|Deleting)$/.test(actual.status) ? undefined : actual
  if (actual !== undefined && created === undefined) assertOwn(desired, actual)
  const changes: Change[] = actual !== undefined && created === undefined ? [{ type: 'delete' }] : []
  if (created === undefined) changes.push({ type: 'create' })
  else changes.push(...planContents(desired, created))
  // What is kept for a function must hold both versions of it while one follows the other.
  const reserve = planReserve(desired.reservedMemoryMb, created?.reservedMemoryMb ?? null)
  if (reserve?.isMore) changes.push(reserve.change)
  if (created === undefined || !isReleased(desired, created)) {
    if (desired.isInvokedFirst) changes.push({ type: 'invoke' })
    changes.push({ type: 'publish', from: created?.live ?? '' })
  }
  if (reserve?.isMore === false) changes.push(reserve.change)
  const { asynchronous } = desired
  const from = created?.asynchronous ?? SCF_DEFAULT
  if (from.retries !== asynchronous.retries || from.maxAgeSeconds !== asynchronous.maxAgeSeconds) {
    changes.push({ type: 'asynchronous', from: created?.asynchronous ?? null, to: asynchronous })
  }
  changes.push(...planTriggers(desired.triggers, created?.triggers ?? []))
  return { ...plan, changes }
}

/** The version that invocations arrive at, if it was published by Rollcall. */
export function liveVersion(actual: ActualFunction): PublishedVersion | undefined {
  return actual.versions.find(({ version }) => version === actual.live)
}

/**
 * Whether what is desired is live. After a rollback what is live is not the newest version: the same contents are published
 * once more, or nobody could tell which version each function had with a release.
 */
function isReleased(desired: DesiredFunction, { versions, live }: ActualFunction): boolean {
  const newest = versions.at(-1)
  return newest?.version === live && newest.fingerprint === desired.fingerprint
}

function assertOwn(desired: DesiredFunction, actual: ActualFunction): void {
  if (actual.owner === desired.owner) return
  const whose = actual.owner === undefined ? 'was not deployed by Rollcall' : 'belongs to another service or stage'
  throw new AppError(
    'config_invalid',
    `function ${actual.name} exists and ${whose}: choose another name, or remove it first`,
  )
}

function planContents(desired: DesiredFunction, actual: ActualFunction): Change[] {
  assertOwn(desired, actual)
  const { Runtime } = actual.configuration
  if (Runtime !== desired.configuration.Runtime) {
    throw new AppError(
      'config_invalid',
      `function ${actual.name} has the runtime ${Runtime}, which SCF cannot change: leave it, or remove the function and deploy anew`,
    )
  }
  // A published version cannot have been changed since.
  if (isReleased(desired, actual)) return []
  // Who changes code by hand leaves the description as it was, but hardly the size.
  const hasCode = actual.codeSha256 === desired.codeSha256 && actual.codeBytes === desired.zip.length
  // It says so while code is sent, and which it is afterwards.
  const Description = hasCode ? (actual.configuration.Description ?? '') : functionMark(desired.owner)
  const differences = differencesOf(desired.configuration, { ...actual.configuration, Description })
  return [
    ...(hasCode ? [] : [{ type: 'code' as const }]),
    ...(differences.length === 0 ? [] : [{ type: 'configuration' as const, differences }]),
  ]
}

function planReserve(to: number | null, from: number | null): { change: Change; isMore: boolean } | undefined {
  if (to === from) return undefined
  return { change: { type: 'reserve', from, to }, isMore: from === null || to === null || to > from }
}

/** The fields in which a configuration is not what is desired. */
export function differencesOf(desired: Configuration, actual: Configuration): Difference[] {
  const names = new Set(Object.keys(desired))
  for (const name of Object.keys(actual)) if (name.startsWith('Environment.')) names.add(name)
  return [...names]
    .map((field) => ({ field, from: actual[field], to: desired[field] }))
    .filter(({ from, to }) => from !== to)
}

function planTriggers(desired: Trigger[], actual: ActualTrigger[]): Change[] {
  const found = desired.map((trigger) => ({ trigger, one: findTrigger(actual, trigger) }))
  const gone = actual.filter((one) => found.every(({ one: wanted }) => wanted !== one))
  return [
    ...gone.map((trigger) => ({ type: 'removeTrigger' as const, trigger })),
    ...found.flatMap(({ trigger, one }): Change[] => {
      if (one === undefined) return [{ type: 'addTrigger', trigger }]
      if (triggerFault(one, trigger) === undefined) return []
      // A trigger of another version cannot be moved.
      if (one.qualifier !== LIVE)
        return [
          { type: 'removeTrigger', trigger: one },
          { type: 'addTrigger', trigger },
        ]
      return [{ type: 'changeTrigger', trigger: { ...trigger, name: one.name } }]
    }),
  ]
}

/**
 * The release that a deployment goes on with: the newest, when it was to bring the same contents and has not got everywhere,
 * or a new one. So what an interrupted deployment and its repetition published counts as one.
 */
export function releaseOf(actual: (ActualFunction | undefined)[], id: string, time: string): Release {
  const releases = actual.flatMap((one) => one?.versions.map(({ release }) => release) ?? [])
  const newest = releases.reduce<Release | undefined>(
    (best, one) => (best && best.time >= one.time ? best : one),
    undefined,
  )
  if (newest?.id === id) return newest
  // By a clock that is behind, a release would come before those it follows.
  return { id, time: newest && newest.time >= time ? timeAfter(newest.time) : time }
}
