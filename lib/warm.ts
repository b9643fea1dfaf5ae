import { AppError } from './errors.ts'
import { explainDatabaseError } from './store/fault.ts'

interface Kept<Services> {
  opened: Promise<Services>
  /** Invocations that use them at the moment. */
  users: number
}

/**
 * Runs invocations with services that the first one opens, and that are kept while the instance is warm: by invocations at
 * the same time, too. They are dropped, so that the next invocation opens anew and reads the settings again, when opening fails,
 * when an invocation throws since the database cannot be reached (its password may be another by now), or when it calls `drop`;
 * and closed once nobody uses them. Throws what the invocation throws, of the database as `explainDatabaseError` has it.
 */
export function keepWarm<Services>(open: () => Promise<Services>, close: (services: Services) => Promise<void>) {
  let kept: Kept<Services> | undefined
  return async <Result>(invocation: (services: Services, drop: () => void) => Promise<Result>): Promise<Result> => {
    const mine = (kept ??= { opened: open(), users: 0 })
    const drop = () => {
      if (kept === mine) kept = undefined
    }
    mine.users += 1
    try {
      const services = await mine.opened.catch((error: unknown) => {
        drop()
        throw error
      })
      return await invocation(services, drop)
    } catch (error) {
      const fault = explainDatabaseError(error)
      if (fault instanceof AppError && fault.code === 'database_unreachable') drop()
      throw fault
    } finally {
      mine.users -= 1
      // Not waited for: a connection that is half dead would keep the invocation for minutes.
      if (kept !== mine && mine.users === 0) void mine.opened.then(close).catch(() => undefined)
    }
  }
}
