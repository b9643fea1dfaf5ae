// Publication of versions, whose code and configuration never change again, and the aliases that point to them (Tencent
// 583/34415, 583/36322, 583/36149). Inferred: while a version is being published $LATEST is Publishing, too.
import type {
  Alias,
  CreateAliasRequest,
  DeleteAliasRequest,
  GetAliasRequest,
  GetAliasResponse,
  ListAliasesRequest,
  ListVersionByFunctionRequest,
  PublishVersionRequest,
  PublishVersionResponse,
  UpdateAliasRequest,
} from 'tencentcloud-sdk-nodejs-scf/tencentcloud/services/scf/v20180416/scf_models'
import { ApiError, invalid } from './api-error.ts'
import { assertDescription } from './configuration.ts'
import {
  type AliasState,
  assertReady,
  change,
  type FunctionState,
  newVersion,
  resolve,
  versionsOf,
} from './function-state.ts'
import { action, functionOf, page, timeText } from './region.ts'

export const publishVersion = action<PublishVersionRequest>(
  { FunctionName: 'string', 'Description?': 'string', 'Namespace?': 'string' },
  (region, request, { failsFor }): PublishVersionResponse => {
    const state = functionOf(region, request)
    const { latest, published } = state
    // Not after a failed update either: a version is published in the normal status only.
    if (latest.status !== 'Active') throw new ApiError('FailedOperation.PublishVersion', `$LATEST is ${latest.status}.`)
    const { Description = '' } = request
    assertDescription(Description, true)
    state.lastNumber += 1
    const version = newVersion(String(state.lastNumber), { ...latest.settings, Description }, latest.code)
    published.push(version)
    const { busyMs: afterMs } = region.settings
    change(version, 'Publish', { afterMs, failsFor, apply: () => undefined })
    change(latest, 'Publish', { afterMs, failsFor: null, apply: () => undefined })
    const { Handler, MemorySize, Timeout, Runtime } = version.settings
    const settings = { Description, Handler, MemorySize, Timeout, Runtime, Namespace: 'default' }
    return { FunctionVersion: version.name, CodeSize: version.code.bytes, ...settings }
  },
)

export const listVersionByFunction = action<ListVersionByFunctionRequest>(
  {
    FunctionName: 'string',
    'Namespace?': 'string',
    'Offset?': 'integer',
    'Limit?': 'integer',
    'Order?': 'string',
    'OrderBy?': 'string',
  },
  (region, request) => {
    const { Order = 'DESC', Offset, Limit } = request
    const ascending = versionsOf(functionOf(region, request))
    const versions = page(Order === 'ASC' ? ascending : ascending.reverse(), Offset, Limit).map((version) => ({
      Version: version.name,
      Description: version.settings.Description,
      Status: version.status,
      AddTime: timeText(version.addedAt),
      ModTime: timeText(version.modifiedAt),
    }))
    return { FunctionVersion: versions.map(({ Version }) => Version), Versions: versions, TotalCount: ascending.length }
  },
)

const named = { FunctionName: 'string', Name: 'string', 'Namespace?': 'string' } as const
const pointed = {
  ...named,
  FunctionVersion: 'string',
  'RoutingConfig?': 'unmodelled',
  'Description?': 'string',
} as const

export const createAlias = action<CreateAliasRequest>(pointed, (region, request) => {
  const state = functionOf(region, request)
  const { Name: name, FunctionVersion: version, Description: description = '' } = request
  if (!/^[A-Za-z][\w-]{0,63}$/.test(name)) invalid('Name', `Name is ${name}.`)
  if (state.aliases.some((alias) => alias.name === name)) {
    throw new ApiError('ResourceInUse.Alias', `${state.name} has an alias ${name} already.`)
  }
  assertTarget(state, version)
  state.aliases.push({ name, version, description, addedAt: new Date(), modifiedAt: new Date() })
  return {}
})

export const updateAlias = action<UpdateAliasRequest>(pointed, (region, request) => {
  const state = functionOf(region, request)
  const alias = aliasOf(state, request.Name)
  assertTarget(state, request.FunctionVersion)
  alias.version = request.FunctionVersion
  alias.description = request.Description ?? alias.description
  alias.modifiedAt = new Date()
  return {}
})

export const deleteAlias = action<DeleteAliasRequest>(named, (region, request) => {
  const state = functionOf(region, request)
  const alias = aliasOf(state, request.Name)
  if (alias.name === '$DEFAULT') throw new ApiError('FailedOperation.DeleteAlias', '$DEFAULT cannot be deleted.')
  state.aliases.splice(state.aliases.indexOf(alias), 1)
  return {}
})

export const getAlias = action<GetAliasRequest>(named, (region, request): GetAliasResponse =>
  described(aliasOf(functionOf(region, request), request.Name)),
)

export const listAliases = action<ListAliasesRequest>(
  {
    FunctionName: 'string',
    'Namespace?': 'string',
    'FunctionVersion?': 'string',
    // Strings, by the documentation.
    'Offset?': 'string',
    'Limit?': 'string',
  },
  (region, request) => {
    const { FunctionVersion, Offset = '0', Limit = '20' } = request
    const all = functionOf(region, request).aliases
    const found = all.filter(({ version }) => FunctionVersion === undefined || version === FunctionVersion)
    return { Aliases: page(found, Number(Offset), Number(Limit)).map(described), TotalCount: found.length }
  },
)

function aliasOf(state: FunctionState, name: string): AliasState {
  const alias = state.aliases.find((alias) => alias.name === name)
  if (!alias) throw new ApiError('ResourceNotFound.Alias', `${state.name} has no alias ${name}.`)
  return alias
}

function assertTarget(state: FunctionState, version: string): void {
  if (!versionsOf(state).some(({ name }) => name === version)) {
    throw new ApiError('ResourceNotFound.FunctionVersion', `${state.name} has no version ${version}.`)
  }
  assertReady(resolve(state, version), 'FailedOperation.FunctionVersionStatusNotActive')
}

function described({ name, version, description, addedAt, modifiedAt }: AliasState): Alias {
  return {
    Name: name,
    FunctionVersion: version,
    Description: description,
    RoutingConfig: { AdditionalVersionWeights: [], AddtionVersionMatchs: [] },
    AddTime: timeText(addedAt),
    ModTime: timeText(modifiedAt),
  }
}
