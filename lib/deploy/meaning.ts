// What the codes of Tencent Cloud's API mean for somebody who deploys, and what to do. Sources: 213/30435 (common codes) and
// 583/17244 (SCF's).

/** The longest beginning of a code that is listed here tells what it means. */
const MEANINGS: Record<string, string> = {
  'AuthFailure.SecretIdNotFound': 'The key does not exist or is disabled: check TENCENTCLOUD_SECRET_ID',
  'AuthFailure.SignatureFailure': 'The secret key is not that of the id: check TENCENTCLOUD_SECRET_KEY',
  'AuthFailure.SignatureExpire': 'The clock of this machine is off by more than 5 minutes: set it',
  'AuthFailure.TokenFailure': 'The temporary credential has expired: get a new one',
  'AuthFailure.UnauthorizedOperation': 'The key may not do this: give its user the policy of docs/deploying.md',
  AuthFailure: 'The credential was refused: check TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY',
  UnauthorizedOperation: 'The key may not do this: give its user the policy of docs/deploying.md',
  RequestLimitExceeded: 'Too many calls a second, although each was tried for a minute: run this again later',
  'LimitExceeded.Function': 'The account has as many functions as it may: remove some, or ask for a higher quota',
  'LimitExceeded.ReservedConcurrency':
    'Too much concurrency is reserved in this region: lower reservedConcurrency or memorySize',
  LimitExceeded: 'A quota of the account is used up: Tencent 583/11637 lists them',
  ResourceInUse: 'Somebody else changed it meanwhile: run this again',
  ResourceInsufficient: 'Tencent Cloud has none left in this zone: try again later, or another subnet',
  'ResourceNotFound.Role': 'The role does not exist: create it, or correct the parameter role',
  'ResourceNotFound.Vpc': 'The VPC does not exist in this region: correct the parameter vpcId',
  'ResourceNotFound.Subnet': 'The subnet does not exist in this VPC: correct the parameter subnetId',
  ResourceNotFound: 'It does not exist: check the stage and the region',
  ResourceUnavailable: 'It cannot be used now; an account in arrears is stopped: look at the bill',
  'InvalidParameterValue.Role': 'The role cannot be used: SCF must be its carrier (docs/deploying.md)',
  'InvalidParameterValue.Vpc': 'The VPC cannot be used: correct the parameters vpcId and subnetId',
  InvalidParameter: 'A value is not taken: the message names it; correct serverless.yml',
  UnknownParameter: 'This version of Rollcall and the API do not match',
  UnsupportedRegion: 'There is no SCF in this region: correct the parameter region',
  UnsupportedOperation: 'SCF does not do this for this function',
  'FailedOperation.InsufficientBalance': 'The account is in arrears: pay the bill',
  FailedOperation: 'SCF could not do it: its message says why; run this again',
}

/** What a code means and what to do, one sentence. */
export function meaningOf(code: string): string {
  const known = Object.keys(MEANINGS).filter((beginning) => code.startsWith(beginning))
  const best = known.reduce((longest, one) => (one.length > longest.length ? one : longest), '')
  return MEANINGS[best] ?? 'Tencent 583/17244 lists the codes'
}
