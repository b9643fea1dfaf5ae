import type { Cloud } from '../tencent.ts'
import { listOwn } from './actual.ts'
import { deleteFunction } from './apply.ts'
import type { Service } from './service.ts'

/**
 * Removes every function of a service and stage, with its versions and triggers, and only those; gives their names, and those
 * that are named like them and were left. What was not created by Rollcall stays: the database, the network, the role, the
 * secrets and the log topic.
 */
export async function removeService(cloud: Cloud, service: Service): Promise<{ removed: string[]; left: string[] }> {
  const { own, unmarked } = await listOwn(cloud, service)
  for (const one of own) await deleteFunction(cloud, one)
  return { removed: own, left: unmarked }
}
