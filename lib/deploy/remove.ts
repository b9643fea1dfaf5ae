import type { Cloud } from '../tencent.ts'
import { listOwn } from './actual.ts'
import { deleteFunction } from './apply.ts'
import type { Service } from './service.ts'

/**
 * Removes every function of a service and stage, with its versions and triggers, and only those; gives their names. What was
 * not created by Rollcall stays: the database, the network, the role, the secrets and the log topic.
 */
export async function removeService(cloud: Cloud, service: Service): Promise<string[]> {
  const own = await listOwn(cloud, service)
  for (const one of own) await deleteFunction(cloud, one)
  return own
}
