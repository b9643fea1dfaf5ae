// What is in the cloud now, read whole and put into the shape of what is desired.
import pMap from 'p-map'
import type { GetFunctionResponse } from 'tencentcloud-sdk-nodejs-scf/tencentcloud/services/scf/v20180416/scf_models'
import * as v from 'valibot'
import { type Cloud, LATEST, LIVE } from '../tencent.ts'
import type { Configuration } from './desired.ts'
import { ownerOf, readFunctionMark, readVersionMark, type VersionMark } from './mark.ts'
import { allPages, orNothing, scf } from './scf.ts'
import type { Service, Trigger } from './service.ts'

/** A trigger as it is; of another type than Rollcall makes: null as its cron and auth. */
export interface ActualTrigger {
  type: string
  name: string
  qualifier: string
  isOpen: boolean
  cron: string | null
  auth: string | null
  /** Where a function URL answers, as far as SCF tells. */
  url: string | null
}

export interface PublishedVersion extends VersionMark {
  version: string
}

export interface ActualFunction {
  name: string
  status: string
  /** Undefined when it was not deployed by Rollcall. */
  owner: string | undefined
  codeSha256: string | undefined
  configuration: Configuration
  codeBytes: number
  /** Those Rollcall published, the newest last. */
  versions: PublishedVersion[]
  /** The version the default alias points to, where triggers and invocations arrive. */
  live: string
  triggers: ActualTrigger[]
  reservedMemoryMb: number | null
  asynchronous: { retries: number; maxAgeSeconds: number } | null
}

/** The function of a name, or undefined when there is none. */
export async function readFunction(cloud: Cloud, name: string): Promise<ActualFunction | undefined> {
  const it = { FunctionName: name }
  const found = await orNothing(scf(cloud, 'GetFunction', it))
  if (found === undefined) return undefined
  const status = found.Status ?? 'unknown'
  const [alias, versions, triggers, reserved, asynchronous] = await Promise.all([
    orNothing(scf(cloud, 'GetAlias', { ...it, Name: LIVE })),
    allPages(async (Offset, Limit) => {
      const { Versions, TotalCount } = await scf(cloud, 'ListVersionByFunction', { ...it, Offset, Limit })
      return [Versions, TotalCount]
    }),
    allPages(async (Offset, Limit) => {
      const { Triggers, TotalCount } = await scf(cloud, 'ListTriggers', { ...it, Offset, Limit })
      return [Triggers, TotalCount]
    }),
    orNothing(scf(cloud, 'GetReservedConcurrencyConfig', it)),
    orNothing(scf(cloud, 'GetFunctionEventInvokeConfig', it)),
  ])
  const mark = readFunctionMark(found.Description)
  const config = asynchronous?.AsyncTriggerConfig
  return {
    name,
    status,
    owner: mark?.owner,
    codeSha256: mark?.codeSha256,
    codeBytes: found.CodeSize ?? 0,
    configuration: configurationOf(found),
    versions: versions
      .flatMap(({ Version, Description, Status }) => {
        // One that failed can neither be invoked nor be tried again.
        if (Status?.endsWith('Failed')) return []
        const found = readVersionMark(Description)
        return found === undefined ? [] : [{ ...found, version: Version }]
      })
      .sort((a, b) => Number(a.version) - Number(b.version)),
    live: alias?.FunctionVersion ?? LATEST,
    triggers: triggers.map((one) => ({
      type: one.Type ?? '',
      name: one.TriggerName ?? '',
      qualifier: one.Qualifier ?? LATEST,
      isOpen: one.Enable !== 0,
      ...readTriggerDesc(one.TriggerDesc ?? ''),
    })),
    reservedMemoryMb: reserved?.ReservedMem || null,
    asynchronous: config ? { retries: config.RetryConfig[0]?.RetryNum ?? 0, maxAgeSeconds: config.MsgTTL } : null,
  }
}

/** The configuration in what GetFunction says of a function or of one of its versions. */
export function configurationOf(found: GetFunctionResponse): Configuration {
  const variables = found.Environment?.Variables ?? []
  return {
    Description: found.Description ?? '',
    Handler: found.Handler ?? '',
    Runtime: found.Runtime ?? '',
    MemorySize: found.MemorySize ?? 0,
    Timeout: found.Timeout ?? 0,
    Role: found.Role ?? '',
    'VpcConfig.VpcId': found.VpcConfig?.VpcId ?? '',
    'VpcConfig.SubnetId': found.VpcConfig?.SubnetId ?? '',
    'PublicNetConfig.PublicNetStatus': found.PublicNetConfig?.PublicNetStatus ?? '',
    ClsLogsetId: found.ClsLogsetId ?? '',
    ClsTopicId: found.ClsTopicId ?? '',
    ...(Object.fromEntries(variables.map(({ Key, Value }) => [`Environment.${Key}`, Value ?? ''])) as Configuration),
  }
}

/** Those of a service's functions that are there. */
export async function readFunctions(cloud: Cloud, { functions }: Service): Promise<ActualFunction[]> {
  const found = await pMap(functions, ({ name }) => readFunction(cloud, name), { concurrency: 2 })
  return found.filter((one) => one !== undefined)
}

/**
 * The names of all functions of a service and stage, declared or not; and of those that are named like them and have no mark
 * of Rollcall's, which nobody can tell from another hand's.
 */
export async function listOwn(
  cloud: Cloud,
  { name, stage }: Pick<Service, 'name' | 'stage'>,
): Promise<{ own: string[]; unmarked: string[] }> {
  const prefix = `${name}-${stage}-`
  const found = await allPages(async (Offset, Limit) => {
    const { Functions, TotalCount } = await scf(cloud, 'ListFunctions', { SearchKey: prefix, Offset, Limit })
    return [Functions, TotalCount]
  })
  const named = found.filter(({ FunctionName }) => FunctionName?.startsWith(prefix))
  const ofOwner = (owner: string | undefined) =>
    named
      .filter(({ Description }) => readFunctionMark(Description)?.owner === owner)
      .map(({ FunctionName = '' }) => FunctionName)
  return { own: ofOwner(ownerOf(name, stage)), unmarked: ofOwner(undefined) }
}

/** The one that a declared trigger is. A function has one URL, to which SCF may give a name of its own. */
export function findTrigger(actual: ActualTrigger[], { type, name }: Trigger): ActualTrigger | undefined {
  const found = actual.filter((one) => one.type === type && (type === 'http' || one.name === name))
  // Beside ours there may be one that somebody made by hand.
  return found.find(({ qualifier }) => qualifier === LIVE) ?? found[0]
}

/** What is wrong with a trigger, or undefined. */
export function triggerFault(actual: ActualTrigger | undefined, desired: Trigger): string | undefined {
  if (actual === undefined) return 'is missing'
  if (!actual.isOpen) return 'is closed'
  if (actual.qualifier !== LIVE) return `starts ${actual.qualifier} instead of what is live`
  const [is, wanted] = desired.type === 'timer' ? [actual.cron, desired.cron] : [actual.auth, desired.auth]
  return is === wanted ? undefined : `is set to ${is} instead of ${wanted}`
}

const urlSchema = v.looseObject({
  cron: v.optional(v.string()),
  AuthType: v.optional(v.string()),
  NetConfig: v.optional(v.looseObject({ ExtranetUrl: v.optional(v.string()), IntranetUrl: v.optional(v.string()) })),
})

/** A timer's description is its cron, bare or as {"cron": …}; a function URL's is JSON. */
function readTriggerDesc(text: string): Pick<ActualTrigger, 'cron' | 'auth' | 'url'> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { cron: text, auth: null, url: null }
  }
  const parsed = v.safeParse(urlSchema, value)
  if (!parsed.success) return { cron: null, auth: null, url: null }
  const { cron, AuthType, NetConfig } = parsed.output
  return { cron: cron ?? null, auth: AuthType ?? null, url: NetConfig?.ExtranetUrl ?? NetConfig?.IntranetUrl ?? null }
}
