import type { DeclaredFunction } from '../../lib/deploy/service.ts'

/** A function of the service rollcall and its stage prod, as small as can be; `migrate` is invoked first. */
export const declare = (key: string, more: Partial<DeclaredFunction> = {}): DeclaredFunction => ({
  key,
  name: `rollcall-prod-${key}`,
  source: `functions/${key}.ts`,
  runtime: 'Nodejs20.19',
  memoryMb: 128,
  timeoutSeconds: 3,
  role: undefined,
  vpc: undefined,
  log: undefined,
  instances: 1,
  retries: 0,
  maxAgeSeconds: 60,
  environment: {},
  settings: [],
  isInvokedFirst: key === 'migrate',
  triggers: [],
  ...more,
})
