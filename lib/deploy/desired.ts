// What a deployment is to bring about, function by function: declaration, settings and code put together. Pure.
import type { Archive } from './package.ts'
import type { DeclaredFunction, Trigger } from './service.ts'
import type { Settings } from './settings.ts'
import { digest, functionMark } from './mark.ts'

/** SCF is told this file and function: each archive has them. */
const HANDLER = 'index.main_handler'

/**
 * The configuration of a function that a version freezes, flat, by the names of SCF's API: what is compared is what is sent.
 * Environment variables are `Environment.NAME`.
 */
export type Configuration = Record<string, string | number>

export interface DesiredFunction {
  key: string
  name: string
  zip: Uint8Array
  codeSha256: string
  /** Whose function it is: of one service and stage. */
  owner: string
  configuration: Configuration
  /** Of code and configuration: a version with the same is the same. */
  fingerprint: string
  triggers: Trigger[]
  /** Concurrency kept for it and its most, in MB of memory; null: neither. */
  reservedMemoryMb: number | null
  asynchronous: { retries: number; maxAgeSeconds: number }
  isInvokedFirst: boolean
}

/** What a declared function is to be in the cloud. */
export function desiredOf(
  declared: DeclaredFunction,
  owner: string,
  archive: Archive,
  environment: Settings,
): DesiredFunction {
  const variables = Object.entries(environment).map(([name, value]) => [`Environment.${name}`, value])
  const configuration: Configuration = {
    Description: functionMark(owner, archive.sha256),
    Handler: HANDLER,
    Runtime: declared.runtime,
    MemorySize: declared.memoryMb,
    Timeout: declared.timeoutSeconds,
    Role: declared.role ?? '',
    'VpcConfig.VpcId': declared.vpc?.vpcId ?? '',
    'VpcConfig.SubnetId': declared.vpc?.subnetId ?? '',
    // In a VPC the function reaches neither the Digital Human API nor Tencent Cloud's without it.
    'PublicNetConfig.PublicNetStatus': 'ENABLE',
    // Without a topic of one's own SCF may choose one: that is left to it.
    ...(declared.log && { ClsLogsetId: declared.log.logsetId, ClsTopicId: declared.log.topicId }),
    ...(Object.fromEntries(variables) as Settings),
  }
  return {
    key: declared.key,
    name: declared.name,
    zip: archive.zip,
    codeSha256: archive.sha256,
    owner,
    configuration,
    fingerprint: digest(Object.entries(configuration).map(String).sort()),
    triggers: declared.triggers,
    reservedMemoryMb: declared.instances === undefined ? null : declared.instances * declared.memoryMb,
    asynchronous: { retries: declared.retries, maxAgeSeconds: declared.maxAgeSeconds },
    isInvokedFirst: declared.isInvokedFirst,
  }
}
