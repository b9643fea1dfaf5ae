// Triggers: what invokes a function by itself. Timers (Tencent 583/9708, 583/39901) and function URLs (583/100227,
// 583/96099), each bound to a version or an alias. Their answers are written as in the examples of CreateTrigger and
// ListTriggers. Inferred: that a trigger is closed unless it is created OPEN (the documentation names no default, and its
// example without Enable answers 0), and that names are unique in a function whatever the qualifier.
import { randomBytes } from 'node:crypto'
import type {
  CreateTriggerRequest,
  DeleteTriggerRequest,
  ListTriggersRequest,
  TriggerInfo,
  UpdateTriggerRequest,
} from 'tencentcloud-sdk-nodejs-scf/tencentcloud/services/scf/v20180416/scf_models'
import { ApiError, invalid } from './api-error.ts'
import { parseCron } from './cron.ts'
import { type FunctionState, LATEST, resolve, type TriggerState } from './function-state.ts'
import type { Shape } from './parameters.ts'
import { action, changeableOf, functionOf, page, type Region, timeText } from './region.ts'

const described: Shape<UpdateTriggerRequest> & Shape<CreateTriggerRequest> = {
  FunctionName: 'string',
  TriggerName: 'string',
  Type: 'string',
  'TriggerDesc?': 'string',
  'Namespace?': 'string',
  'Qualifier?': 'string',
  'Enable?': 'string',
  'CustomArgument?': 'string',
  'Description?': 'string',
}

/** Of each type. */
const MOST_TRIGGERS = 10

export const createTrigger = action<CreateTriggerRequest>(described, (region, request) => {
  const state = changeableOf(region, request, 'FailedOperation.CreateTrigger')
  const type = typeOf(request.Type)
  const { Qualifier: qualifier = LATEST, Description: description = '', Enable = 'CLOSE' } = request
  resolve(state, qualifier)
  const { TriggerDesc: desc = '', CustomArgument: argument = '' } = request
  assertDesc(type, desc)
  assertArgument(type, argument)
  const urlId = `u${randomBytes(5).toString('hex')}`
  const name = type === 'http' && region.settings.renamesUrls ? urlId : request.TriggerName
  // Two documents differ: 60 characters and a letter first, or 100; the stricter one is here.
  if (!/^[A-Za-z][\w-]{0,59}$/.test(name)) invalid('TriggerName', `TriggerName is ${name}.`)
  const same = state.triggers.filter((trigger) => trigger.type === type)
  if (same.some((trigger) => trigger.name === name || (type === 'http' && trigger.qualifier === qualifier))) {
    throw new ApiError(
      'ResourceInUse.Trigger',
      `${state.name} has a ${type} trigger ${name}, or one at ${qualifier}, already.`,
    )
  }
  if (same.length >= MOST_TRIGGERS) {
    throw new ApiError('LimitExceeded.Trigger', `${state.name} has ${MOST_TRIGGERS} ${type} triggers already.`)
  }
  const times = { addedAt: new Date(), modifiedAt: new Date() }
  const trigger = { name, type, desc, qualifier, isOpen: isOpen(Enable), argument, description, urlId, ...times }
  state.triggers.push(trigger)
  return { TriggerInfo: describeTrigger(region, state, trigger) }
})

export const updateTrigger = action<UpdateTriggerRequest>(described, (region, request) => {
  const trigger = triggerOf(changeableOf(region, request), request)
  const { TriggerDesc = trigger.desc, CustomArgument = trigger.argument, Description = trigger.description } = request
  assertDesc(trigger.type, TriggerDesc)
  assertArgument(trigger.type, CustomArgument)
  const open = request.Enable === undefined ? trigger.isOpen : isOpen(request.Enable)
  Object.assign(trigger, { desc: TriggerDesc, argument: CustomArgument, description: Description, isOpen: open })
  trigger.modifiedAt = new Date()
  return {}
})

export const deleteTrigger = action<DeleteTriggerRequest>(
  {
    FunctionName: 'string',
    TriggerName: 'string',
    Type: 'string',
    'Namespace?': 'string',
    'TriggerDesc?': 'string',
    'Qualifier?': 'string',
  },
  (region, request) => {
    const state = changeableOf(region, request, 'FailedOperation.DeleteTrigger')
    state.triggers.splice(state.triggers.indexOf(triggerOf(state, request)), 1)
    return {}
  },
)

export const listTriggers = action<ListTriggersRequest>(
  {
    FunctionName: 'string',
    'Namespace?': 'string',
    'Offset?': 'integer',
    'Limit?': 'integer',
    'OrderBy?': 'string',
    'Order?': 'string',
    'Filters?': [{ Name: 'string', Values: ['string'] }],
  },
  (region, request) => {
    const state = functionOf(region, request)
    const { OrderBy = 'mod_time', Order = 'DESC', Offset, Limit, Filters = [] } = request
    if (!['add_time', 'mod_time'].includes(OrderBy)) invalid('OrderBy', `OrderBy is ${OrderBy}.`)
    const time = ({ addedAt, modifiedAt }: TriggerState) => (OrderBy === 'add_time' ? addedAt : modifiedAt).getTime()
    const all = state.triggers
      .map((trigger) => ({ trigger, info: describeTrigger(region, state, trigger) }))
      .filter(({ info }) => Filters.every((filter) => filter.Values.includes(filterable(info, filter.Name))))
      .sort((a, b) => (time(a.trigger) - time(b.trigger)) * (Order === 'ASC' ? 1 : -1))
    return { Triggers: page(all, Offset, Limit).map(({ info }) => info), TotalCount: all.length }
  },
)

/** A trigger as the API shows it. */
export function describeTrigger(region: Region, state: FunctionState, trigger: TriggerState): TriggerInfo {
  const { name, type, desc, qualifier, isOpen, argument, description, addedAt, modifiedAt } = trigger
  return {
    TriggerName: name,
    Type: type,
    TriggerDesc: type === 'timer' ? JSON.stringify({ cron: desc }) : JSON.stringify(urlDesc(region, trigger)),
    Qualifier: qualifier,
    Enable: isOpen ? 1 : 0,
    CustomArgument: argument,
    Description: description,
    AvailableStatus: 'Available',
    BindStatus: 'on',
    TriggerAttribute: 'single',
    ResourceId: `qcs::scf:${region.settings.region}:uin/100000000001:function/${state.name}/${name}`,
    AddTime: timeText(addedAt),
    ModTime: timeText(modifiedAt),
  }
}

/** What a function URL was created with. */
export interface UrlDesc {
  AuthType: 'NONE' | 'CAM'
  NetConfig: { EnableIntranet: boolean; EnableExtranet: boolean }
}

function urlDesc({ url }: Region, { desc, urlId }: TriggerState): UrlDesc {
  const { NetConfig, ...rest } = JSON.parse(desc) as UrlDesc
  const { EnableIntranet, EnableExtranet } = NetConfig
  // The real ones are https://APPID-URLID.REGION.tencentscf.com, inside the VPC with `.in` before the region.
  const reachable = `${url}/url/${urlId}`
  return {
    ...rest,
    NetConfig: Object.assign(
      { EnableIntranet, EnableExtranet },
      { IntranetUrl: EnableIntranet ? reachable : '', ExtranetUrl: EnableExtranet ? reachable : '' },
    ),
  }
}

function triggerOf(
  state: FunctionState,
  request: { TriggerName: string; Type: string; Qualifier?: string },
): TriggerState {
  const { TriggerName, Type, Qualifier = LATEST } = request
  const trigger = state.triggers.find(
    ({ name, type, qualifier }) => name === TriggerName && type === Type && qualifier === Qualifier,
  )
  if (trigger) return trigger
  const message = `${state.name} has no ${Type} trigger ${TriggerName} at ${Qualifier}.`
  throw new ApiError('ResourceNotFound.Trigger', message)
}

function typeOf(type: string): TriggerState['type'] {
  if (type === 'timer' || type === 'http') return type
  if (['cos', 'cls', 'ckafka'].includes(type)) throw new ApiError('UnsupportedOperation', `${type} is not modelled`)
  return invalid('Type', `Type is ${type}.`)
}

function assertDesc(type: TriggerState['type'], desc: string): void {
  const isFit = type === 'timer' ? parseCron(desc) !== null : isUrlDesc(desc)
  if (!isFit) invalid('TriggerDesc', `TriggerDesc of a ${type} trigger is ${desc}.`)
}

function isUrlDesc(desc: string): boolean {
  const { AuthType, NetConfig, CorsConfig, ...rest } = jsonOf(desc) as Partial<UrlDesc> & { CorsConfig?: object }
  if (CorsConfig) throw new ApiError('UnsupportedOperation', 'CorsConfig is not modelled')
  const flags = [NetConfig?.EnableIntranet, NetConfig?.EnableExtranet]
  const isKnown = AuthType === 'NONE' || AuthType === 'CAM'
  return isKnown && flags.every((flag) => typeof flag === 'boolean') && Object.keys(rest).length === 0
}

function jsonOf(text: string): object {
  try {
    return Object(JSON.parse(text)) as object
  } catch {
    return {}
  }
}

function assertArgument(type: TriggerState['type'], argument: string): void {
  if (Buffer.byteLength(argument) > 4_096 || (type !== 'timer' && argument !== '')) {
    invalid('CustomArgument', 'CustomArgument is for timers, and of 4 KB at most.')
  }
}

function isOpen(enable: string): boolean {
  if (enable === 'OPEN' || enable === 'CLOSE') return enable === 'OPEN'
  return invalid('Enable', `Enable is ${enable}: OPEN or CLOSE.`)
}

function filterable({ Qualifier, TriggerName, Description }: TriggerInfo, name: string): string {
  const value = { Qualifier, TriggerName, Description }[name]
  return value ?? invalid('Filters', `Triggers are not filtered by ${name}.`)
}
