// How a command reaches Tencent Cloud: with the credential of who runs it, at an address that may be a setting of the stage.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Environment, readConfig } from '../config.ts'
import { cloudOf } from '../scf.ts'
import type { Cloud } from '../tencent.ts'
import type { Service } from './service.ts'
import { readSettings, type Settings } from './settings.ts'

/** Tencent Cloud with the credential of an environment, in the service's region. Throws `config_invalid` for a bad address. */
export async function openCloud({ region }: Service, settings: Settings, env: Environment): Promise<Cloud> {
  const url = settings.TENCENT_API_URL
  const { cloud } = await readConfig({ ...env, ...(url !== undefined && { TENCENT_API_URL: url }) }, ['cloud'])
  return cloudOf({ url: cloud.url, region }, env)
}

/**
 * As `openCloud`, for what can do without the stage's file, which is looked for in the service's folder: it is needed to deploy,
 * and not to look. One that is there must be readable, or its address would be passed over.
 */
export async function openCloudOf(service: Service, folder: string, env: Environment): Promise<Cloud> {
  const path = join(folder, service.settingsFile)
  return openCloud(service, existsSync(path) ? readSettings(path) : {}, env)
}
