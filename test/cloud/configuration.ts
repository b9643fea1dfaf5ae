// A function's configuration: how requests say it, what is allowed, and the defaults. From the comments of the API's models
// (583/18586), the environment's rules from 583/32748, the codes from the SDK's list of SCF's errors. Inferred: which code
// goes with a rule where the list has none that names it.
import type {
  CreateFunctionRequest,
  UpdateFunctionConfigurationRequest,
} from 'tencentcloud-sdk-nodejs-scf/tencentcloud/services/scf/v20180416/scf_models'
import { ApiError, invalid } from './api-error.ts'
import type { Settings } from './function-state.ts'
import type { Shape } from './parameters.ts'
import type { Region } from './region.ts'

/** The parameters that a creation and an update have in common. */
const common: Omit<
  Shape<UpdateFunctionConfigurationRequest>,
  'FunctionName' | 'Publish?' | 'L5Enable?' | 'IgnoreSysLog?'
> = {
  'Description?': 'string',
  'MemorySize?': 'integer',
  'Timeout?': 'integer',
  'Runtime?': 'string',
  'Environment?': { 'Variables?': [{ 'Key?': 'string', 'Value?': 'string' }] },
  'Namespace?': 'string',
  'VpcConfig?': { 'VpcId?': 'string', 'SubnetId?': 'string' },
  'Role?': 'string',
  'InstallDependency?': 'string',
  'ClsLogsetId?': 'string',
  'ClsTopicId?': 'string',
  'Layers?': 'unmodelled',
  'DeadLetterConfig?': 'unmodelled',
  'PublicNetConfig?': { PublicNetStatus: 'string', 'EipConfig?': { EipStatus: 'string' } },
  'CfsConfig?': 'unmodelled',
  'InitTimeout?': 'integer',
  'ProtocolParams?': 'unmodelled',
  'InstanceConcurrencyConfig?': 'unmodelled',
  'DnsCache?': 'string',
  'IntranetConfig?': 'unmodelled',
}

export const creation: Shape<CreateFunctionRequest> = {
  ...common,
  FunctionName: 'string',
  Code: {
    'ZipFile?': 'string',
    'CosBucketName?': 'unmodelled',
    'CosObjectName?': 'unmodelled',
    'CosBucketRegion?': 'unmodelled',
    'DemoId?': 'unmodelled',
    'TempCosObjectName?': 'unmodelled',
    'GitUrl?': 'unmodelled',
    'GitUserName?': 'unmodelled',
    'GitPassword?': 'unmodelled',
    'GitPasswordSecret?': 'unmodelled',
    'GitBranch?': 'unmodelled',
    'GitDirectory?': 'unmodelled',
    'GitCommitId?': 'unmodelled',
    'GitUserNameSecret?': 'unmodelled',
    'ImageConfig?': 'unmodelled',
  },
  'Handler?': 'string',
  'Type?': 'string',
  'CodeSource?': 'string',
  'Tags?': [{ Key: 'string', Value: 'string' }],
  'AsyncRunEnable?': 'unmodelled',
  'TraceEnable?': 'unmodelled',
  'AutoDeployClsTopicIndex?': 'unmodelled',
  'AutoCreateClsTopic?': 'unmodelled',
  'ProtocolType?': 'unmodelled',
}

export const update: Shape<UpdateFunctionConfigurationRequest> = {
  ...common,
  FunctionName: 'string',
  'Publish?': 'unmodelled',
  'L5Enable?': 'unmodelled',
  'IgnoreSysLog?': 'unmodelled',
}

const RUNTIMES = ['Nodejs18.15', 'Nodejs20.19']

/** The configuration of a function to create. Throws InvalidParameterValue.…, LimitExceeded.… or ResourceNotFound.… */
export function newSettings(region: Region, request: CreateFunctionRequest): Settings {
  const { Handler = '', Runtime = 'Python2.7', VpcConfig, Tags = [] } = request
  assertHandler(Handler)
  if (!RUNTIMES.includes(Runtime)) invalid('Runtime', `Runtime ${Runtime} is not one that this double can run.`)
  const defaults: Settings = {
    Handler,
    Runtime,
    Tags,
    Description: '',
    MemorySize: 128,
    Timeout: 3,
    InitTimeout: 65,
    Environment: { Variables: [] },
    VpcConfig: { VpcId: '', SubnetId: '' },
    Role: '',
    ClsLogsetId: '',
    ClsTopicId: '',
    // Without it a function in a VPC reaches nothing outside (583/38377); that it is so by default is inferred.
    PublicNetConfig: netConfig(VpcConfig?.VpcId ? 'DISABLE' : 'ENABLE'),
    DnsCache: 'FALSE',
  }
  return settingsAfter(region, defaults, request)
}

/** The configuration after a request: what it does not name stays. Throws as newSettings. */
export function settingsAfter(
  { settings: { vpcs, roles } }: Region,
  settings: Settings,
  request: UpdateFunctionConfigurationRequest | CreateFunctionRequest,
): Settings {
  const { Description, MemorySize, Timeout, InitTimeout, Environment, VpcConfig, Role, PublicNetConfig } = request
  if (request.Runtime !== undefined && request.Runtime !== settings.Runtime) {
    invalid('Runtime', `Runtime cannot be changed from ${settings.Runtime}.`)
  }
  if (request.InstallDependency === 'TRUE')
    throw new ApiError('UnsupportedOperation', 'InstallDependency is not modelled')
  if (Description !== undefined) assertDescription(Description, 'Code' in request)
  if (
    MemorySize !== undefined &&
    MemorySize !== 64 &&
    !(MemorySize % 128 === 0 && MemorySize >= 128 && MemorySize <= 3_072)
  ) {
    invalid('MemorySize', `MemorySize is ${MemorySize}: 64, or 128 to 3072 in steps of 128.`)
  }
  if (Timeout !== undefined && Timeout > 900)
    throw new ApiError('LimitExceeded.Timeout', `Timeout is ${Timeout}, more than 900.`)
  if (Timeout !== undefined && Timeout < 1)
    throw new ApiError('InvalidParameterValue', `Timeout is ${Timeout}, less than 1.`)
  if (InitTimeout !== undefined && (InitTimeout < 3 || InitTimeout > 300)) {
    throw new ApiError('LimitExceeded.InitTimeout', `InitTimeout is ${InitTimeout}.`)
  }
  if (Environment) assertEnvironment(Environment.Variables ?? [])
  if (!VpcConfig?.VpcId !== !VpcConfig?.SubnetId) {
    throw new ApiError('InvalidParameterValue', 'VpcConfig needs both of VpcId and SubnetId.')
  }
  if (VpcConfig?.VpcId && vpcs && !vpcs[VpcConfig.VpcId]?.includes(VpcConfig.SubnetId ?? '')) {
    throw new ApiError('ResourceNotFound.Vpc', `There is no subnet ${VpcConfig.SubnetId} in a VPC ${VpcConfig.VpcId}.`)
  }
  if (Role && roles && !roles.includes(Role)) throw new ApiError('ResourceNotFound.Role', `There is no role ${Role}.`)
  if (PublicNetConfig && !['ENABLE', 'DISABLE'].includes(PublicNetConfig.PublicNetStatus)) {
    invalid('PublicNetConfig', `PublicNetStatus is ${PublicNetConfig.PublicNetStatus}.`)
  }
  const after = {
    ...settings,
    ...(Description !== undefined && { Description }),
    ...(MemorySize !== undefined && { MemorySize }),
    ...(Timeout !== undefined && { Timeout }),
    ...(InitTimeout !== undefined && { InitTimeout }),
    ...(Environment && { Environment: { Variables: Environment.Variables ?? [] } }),
    ...(VpcConfig && { VpcConfig: { VpcId: VpcConfig.VpcId ?? '', SubnetId: VpcConfig.SubnetId ?? '' } }),
    ...(Role !== undefined && { Role }),
    ...(request.ClsLogsetId !== undefined && { ClsLogsetId: request.ClsLogsetId }),
    ...(request.ClsTopicId !== undefined && { ClsTopicId: request.ClsTopicId }),
    ...(request.DnsCache !== undefined && { DnsCache: request.DnsCache }),
    ...(PublicNetConfig && {
      PublicNetConfig: netConfig(PublicNetConfig.PublicNetStatus, PublicNetConfig.EipConfig?.EipStatus),
    }),
  }
  if (!after.ClsLogsetId !== !after.ClsTopicId) invalid('Cls', 'ClsLogsetId and ClsTopicId need each other.')
  return after
}

/** Throws InvalidParameterValue.Handler unless it is `file.method`, each 2 to 60 characters. */
export function assertHandler(handler: string): void {
  const isFit = /^[A-Za-z][\w-]{0,58}[A-Za-z]\.[A-Za-z][\w-]{0,58}[A-Za-z]$/.test(handler)
  if (!isFit) invalid('Handler', `Handler is ${handler || 'missing'}: file.method is expected.`)
}

/** Throws InvalidParameterValue.Description. Line ends are allowed in a creation only. */
export function assertDescription(description: string, mayHaveLines: boolean): void {
  const form = mayHaveLines ? /^[A-Za-z0-9 ,.\n\p{Script=Han}]{0,1000}$/u : /^[A-Za-z0-9 ,.\p{Script=Han}]{0,1000}$/u
  if (!form.test(description)) {
    invalid(
      'Description',
      'Description has letters, digits, spaces, commas, full stops and Chinese only, 1000 at most.',
    )
  }
}

function assertEnvironment(variables: { Key?: string; Value?: string }[]): void {
  const names = variables.map(({ Key = '' }) => Key)
  const bad = variables.find(({ Key = '', Value = '' }) => !/^[A-Za-z]\w*$/.test(Key) || Value === '')
  if (bad) invalid('Environment', `The variable ${bad.Key} has no fit name, or no value.`)
  if (new Set(names).size < names.length) invalid('Environment', 'A variable occurs twice.')
  const reserved = names.find((name) => /^(SCF|QCLOUD|TENCENTCLOUD)_/.test(name))
  if (reserved !== undefined) invalid('EnvironmentSystemProtect', `${reserved} is reserved.`)
  const bytes = variables.reduce((sum, { Key = '', Value = '' }) => sum + Buffer.byteLength(Key + Value), 0)
  if (bytes > 4_096) invalid('EnvironmentExceededLimit', `The environment has ${bytes} bytes, more than 4 KB.`)
}

function netConfig(status: string, eip = 'DISABLE'): Settings['PublicNetConfig'] {
  return { PublicNetStatus: status, EipConfig: { EipStatus: eip, EipAddress: [] } }
}
