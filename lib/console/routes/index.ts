import type { Route } from '../route.ts'
import { accessRoutes } from './access.ts'
import { deliveryRoutes } from './deliveries.ts'
import { documentRoutes } from './documents.ts'
import { endpointRoutes } from './endpoints.ts'
import { nowRoutes } from './now.ts'
import { reportRoutes } from './reports.ts'
import { sessionRoutes } from './sessions.ts'
import { watchingRoutes } from './watching.ts'

/** All there are. */
export const ROUTES: readonly Route[] = [
  ...accessRoutes,
  ...nowRoutes,
  ...sessionRoutes,
  ...endpointRoutes,
  ...deliveryRoutes,
  ...reportRoutes,
  ...watchingRoutes,
  ...documentRoutes(() => ROUTES),
]
