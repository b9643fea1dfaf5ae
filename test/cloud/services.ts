// The services with their versions and actions (SCF's and SSM's by their SDKs, CLS's by Tencent 614/42788).
import type { IncomingHttpHeaders } from 'node:http'
import { ApiError } from './api-error.ts'
import { searchLog } from './cls.ts'
import * as concurrency from './concurrency.ts'
import * as functions from './functions.ts'
import { invoke } from './invoke.ts'
import type { Action } from './region.ts'
import { getSecretValue } from './ssm.ts'
import * as triggers from './triggers.ts'
import * as versions from './versions.ts'

const SERVICES: Record<string, { version: string; actions: Record<string, Action> }> = {
  scf: {
    version: '2018-04-16',
    actions: {
      CreateFunction: functions.createFunction,
      GetFunction: functions.getFunction,
      UpdateFunctionCode: functions.updateFunctionCode,
      UpdateFunctionConfiguration: functions.updateFunctionConfiguration,
      DeleteFunction: functions.deleteFunction,
      ListFunctions: functions.listFunctions,
      PublishVersion: versions.publishVersion,
      ListVersionByFunction: versions.listVersionByFunction,
      CreateAlias: versions.createAlias,
      GetAlias: versions.getAlias,
      UpdateAlias: versions.updateAlias,
      DeleteAlias: versions.deleteAlias,
      ListAliases: versions.listAliases,
      CreateTrigger: triggers.createTrigger,
      UpdateTrigger: triggers.updateTrigger,
      DeleteTrigger: triggers.deleteTrigger,
      ListTriggers: triggers.listTriggers,
      PutReservedConcurrencyConfig: concurrency.putReservedConcurrencyConfig,
      GetReservedConcurrencyConfig: concurrency.getReservedConcurrencyConfig,
      DeleteReservedConcurrencyConfig: concurrency.deleteReservedConcurrencyConfig,
      UpdateFunctionEventInvokeConfig: concurrency.updateFunctionEventInvokeConfig,
      GetFunctionEventInvokeConfig: concurrency.getFunctionEventInvokeConfig,
      Invoke: invoke,
    },
  },
  ssm: { version: '2019-09-23', actions: { GetSecretValue: getSecretValue } },
  cls: { version: '2020-10-16', actions: { SearchLog: searchLog } },
}

/** The action that a request names. Throws NoSuchProduct, NoSuchVersion, InvalidAction or UnsupportedRegion (583/30771). */
export function actionOf(service: string, action: string, headers: IncomingHttpHeaders, region: string): Action {
  const found = SERVICES[service]
  if (!found) throw new ApiError('NoSuchProduct', `There is no service ${service}.`)
  const { 'x-tc-version': version, 'x-tc-region': given } = headers
  if (version !== found.version) throw new ApiError('NoSuchVersion', `${service} has no version ${String(version)}.`)
  const run = found.actions[action]
  if (!run) throw new ApiError('InvalidAction', `${service} has no action ${action}, or this double does not model it.`)
  if (given !== region) throw new ApiError('UnsupportedRegion', `There is nothing in the region ${String(given)}.`)
  return run
}
