import type { Cloud } from '../tencent.ts'
import { listFunctions } from './actual.ts'
import { deleteFunction } from './apply.ts'
import { ownerOf } from './mark.ts'
import type { Service } from './service.ts'

/**
 * Removes every function of a service and stage, with its versions and triggers, and only those; gives their names. What was
 * not created by Rollcall stays: the database, the network, the role, the secrets and the log topic.
 */
export async function removeService(cloud: Cloud, { name, stage }: Service): Promise<string[]> {
  const owner = ownerOf(name, stage)
  const found = await listFunctions(cloud, `${name}-${stage}-`)
  const own = found.filter((one) => one.owner === owner).map((one) => one.name)
  for (const one of own) await deleteFunction(cloud, one)
  return own
}
