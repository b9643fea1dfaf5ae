// The actions on functions, of those that a deployment needs. Parameters: the comments of the API's models. Inferred: the
// order of the checks, that a deletion takes time, too, and that GetFunction shows the triggers of its qualifier only.
import { setTimeout as sleep } from 'node:timers/promises'
import type {
  DeleteFunctionRequest,
  Function as ListedFunction,
  GetFunctionRequest,
  GetFunctionResponse,
  ListFunctionsRequest,
  UpdateFunctionCodeRequest,
} from 'tencentcloud-sdk-nodejs-scf/tencentcloud/services/scf/v20180416/scf_models'
import { ApiError, invalid } from './api-error.ts'
import { assertHolds, readCode } from './code.ts'
import { assertHandler, creation, newSettings, settingsAfter, update } from './configuration.ts'
import {
  assertReady,
  change,
  type FunctionState,
  isUnderWay,
  LATEST,
  newFunction,
  resolve,
  type Version,
  versionsOf,
} from './function-state.ts'
import { retire } from './pool.ts'
import { action, changeableOf, functionOf, page, type Region, timeText } from './region.ts'
import { describeTrigger } from './triggers.ts'

export const createFunction = action(creation, (region, request, { failsFor }) => {
  const { FunctionName: name, Code, CodeSource = 'ZipFile', Type = 'Event', Namespace = 'default' } = request
  if (Namespace !== 'default') throw new ApiError('ResourceNotFound.Namespace', `There is no namespace ${Namespace}.`)
  if (!/^[A-Za-z][\w-]{0,58}[A-Za-z0-9]$/.test(name)) {
    invalid('FunctionName', `FunctionName is ${name}: 2 to 60 letters, digits, - and _.`)
  }
  if (region.functions.has(name))
    throw new ApiError('ResourceInUse.FunctionName', `The function ${name} exists already.`)
  if (CodeSource !== 'ZipFile') invalid('CodeSource', `CodeSource is ${CodeSource}.`)
  if (Type !== 'Event') throw new ApiError('UnsupportedOperation', `functions of type ${Type} are not modelled`)
  if (Code.ZipFile === undefined) throw new ApiError('MissingParameter.Code', 'Code has no ZipFile.')
  const settings = newSettings(region, request)
  const state = newFunction(name, settings, readCode(Code.ZipFile, 50, settings.Handler))
  region.functions.set(name, state)
  change(state.latest, 'Create', { afterMs: region.settings.busyMs, failsFor, apply: () => undefined })
  return {}
})

export const getFunction = action<GetFunctionRequest>(
  { 'FunctionName?': 'string', 'Qualifier?': 'string', 'Namespace?': 'string', 'ShowCode?': 'string' },
  (region, request): GetFunctionResponse => {
    const state = functionOf(region, request, 'ResourceNotFound.Function')
    const { Qualifier = LATEST } = request
    const { name, settings, code, status, reasons, addedAt, modifiedAt } = resolve(state, Qualifier)
    return {
      ...settings,
      FunctionName: state.name,
      FunctionId: state.id,
      Namespace: 'default',
      Type: 'Event',
      FunctionVersion: name,
      Qualifier: name,
      Status: status,
      StatusDesc: '',
      StatusReasons: reasons,
      AvailableStatus: 'Available',
      CodeSize: code.bytes,
      CodeInfo: '',
      CodeResult: 'success',
      CodeError: '',
      ErrNo: 0,
      Triggers: state.triggers
        .filter(({ qualifier }) => qualifier === Qualifier)
        .map((trigger) => describeTrigger(region, state, trigger)),
      Layers: [],
      InstallDependency: 'FALSE',
      AsyncRunEnable: 'FALSE',
      TraceEnable: 'FALSE',
      EipConfig: { EipFixed: 'FALSE', Eips: [] },
      AddTime: timeText(addedAt),
      ModTime: timeText(modifiedAt),
    }
  },
)

export const updateFunctionCode = action<UpdateFunctionCodeRequest>(
  {
    FunctionName: 'string',
    'Handler?': 'string',
    'ZipFile?': 'string',
    'Namespace?': 'string',
    'Code?': creation.Code,
    'CodeSource?': 'string',
    'InstallDependency?': 'string',
    'CosBucketName?': 'unmodelled',
    'CosObjectName?': 'unmodelled',
    'CosBucketRegion?': 'unmodelled',
    'EnvId?': 'unmodelled',
    'Publish?': 'unmodelled',
  },
  (region, request, { failsFor }) => {
    const { latest } = changeableOf(region, request, 'FailedOperation.UpdateFunctionCode')
    const { Handler = latest.settings.Handler, CodeSource = 'ZipFile', InstallDependency = 'FALSE' } = request
    const zip = request.ZipFile ?? request.Code?.ZipFile
    if (CodeSource !== 'ZipFile') invalid('CodeSource', `CodeSource is ${CodeSource}.`)
    if (InstallDependency !== 'FALSE') throw new ApiError('UnsupportedOperation', 'InstallDependency is not modelled')
    assertHandler(Handler)
    const code = zip === undefined ? latest.code : readCode(zip, 20, Handler)
    assertHolds(code, Handler)
    replace(region, latest, { ...latest.settings, Handler }, code, failsFor)
    return {}
  },
)

export const updateFunctionConfiguration = action(update, (region, request, { failsFor }) => {
  const { latest } = changeableOf(region, request)
  replace(region, latest, settingsAfter(region, latest.settings, request), latest.code, failsFor)
  return {}
})

export const deleteFunction = action<DeleteFunctionRequest>(
  { FunctionName: 'string', 'Namespace?': 'string', 'Qualifier?': 'string' },
  (region, request) => {
    const state = functionOf(region, request)
    return request.Qualifier === undefined
      ? deleteWhole(region, state)
      : deleteVersion(region, state, request.Qualifier)
  },
)

export const listFunctions = action<ListFunctionsRequest>(
  {
    'Order?': 'string',
    'Orderby?': 'string',
    'Offset?': 'integer',
    'Limit?': 'integer',
    'SearchKey?': 'string',
    'Namespace?': 'string',
    'Description?': 'string',
    'Filters?': 'unmodelled',
  },
  (region, { Order = 'DESC', Orderby = 'ModTime', Offset, Limit, SearchKey = '', Description = '' }) => {
    const keys: Record<string, (state: FunctionState) => string | number> = {
      FunctionName: ({ name }) => name,
      AddTime: ({ latest }) => latest.addedAt.getTime(),
      ModTime: ({ latest }) => latest.modifiedAt.getTime(),
    }
    const key = keys[Orderby]
    if (!key) invalid('Orderby', `Orderby is ${Orderby}.`)
    if (!['ASC', 'DESC'].includes(Order)) invalid('Order', `Order is ${Order}.`)
    const found = [...region.functions.values()]
      .filter(({ name, latest }) => name.includes(SearchKey) && latest.settings.Description.includes(Description))
      .sort((a, b) => (key(a) < key(b) ? -1 : 1) * (Order === 'ASC' ? 1 : -1))
    return { Functions: page(found, Offset, Limit).map(listed), TotalCount: found.length }
  },
)

function listed({ name, id, latest, reservedMb }: FunctionState): ListedFunction {
  const { Runtime, Description, Tags } = latest.settings
  return {
    FunctionName: name,
    FunctionId: id,
    Namespace: 'default',
    Type: 'Event',
    Status: latest.status,
    StatusDesc: '',
    StatusReasons: latest.reasons,
    Runtime,
    Description,
    Tags,
    ReservedConcurrencyMem: reservedMb ?? 0,
    AddTime: timeText(latest.addedAt),
    ModTime: timeText(latest.modifiedAt),
  }
}

function replace(
  region: Region,
  latest: Version,
  settings: Version['settings'],
  code: Version['code'],
  failsFor: Parameters<typeof change>[2]['failsFor'],
): void {
  const apply = () => {
    Object.assign(latest, { settings, code, revision: latest.revision + 1 })
    retire(region.pool, latest)
  }
  change(latest, 'Update', { afterMs: region.settings.busyMs, failsFor, apply })
}

function deleteWhole(region: Region, state: FunctionState): object {
  const { status } = state.latest
  if (isUnderWay(state.latest) || status === 'Deleting') assertReady(state.latest, 'FailedOperation.DeleteFunction')
  state.latest.status = 'Deleting'
  state.triggers = []
  void sleep(region.settings.busyMs, undefined, { ref: false }).then(() => {
    region.functions.delete(state.name)
    for (const version of versionsOf(state)) retire(region.pool, version)
  })
  return {}
}

function deleteVersion(region: Region, state: FunctionState, qualifier: string): object {
  const version = state.published.find(({ name }) => name === qualifier)
  if (!version) {
    const code = qualifier === LATEST ? 'InvalidParameterValue.Qualifier' : 'ResourceNotFound.FunctionVersion'
    throw new ApiError(code, `${state.name} has no published version ${qualifier}.`)
  }
  assertReady(version, 'FailedOperation.FunctionVersionStatusNotActive')
  if (state.aliases.some(({ version }) => version === qualifier)) {
    throw new ApiError('UnsupportedOperation.AliasBind', `An alias stands for version ${qualifier}.`)
  }
  state.published.splice(state.published.indexOf(version), 1)
  state.triggers = state.triggers.filter((trigger) => trigger.qualifier !== qualifier)
  retire(region.pool, version)
  return {}
}
