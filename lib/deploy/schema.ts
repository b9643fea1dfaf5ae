// What serverless.yml may contain, for the check that `serverless` makes itself: it finds the unknown keys. Whether a value is
// good is for service.ts, which tells it better.

const any = {}
const keys = (properties: Record<string, object>, required: string[] = []) => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
})

const shared = {
  runtime: any,
  role: any,
  memorySize: any,
  timeout: any,
  vpc: keys({ vpcId: any, subnetId: any }),
  log: keys({ logsetId: any, topicId: any }),
}

/** For `defineProvider`. */
export const providerSchema = {
  provider: { properties: { ...shared, stage: any, region: any, settingsFile: any } },
  function: {
    properties: {
      ...shared,
      handler: any,
      reservedConcurrency: any,
      maximumRetryAttempts: any,
      maximumEventAge: any,
      invokeAtDeploy: any,
      environment: { type: 'object' },
      settings: { type: 'array', items: { type: 'string' } },
    },
  },
  functionEvents: {
    timer: keys({ every: any, cron: any, name: any }),
    url: keys({ auth: any }, ['auth']),
  },
}
