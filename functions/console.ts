import { openConsole } from '../lib/console/app.ts'
import { assets } from '../lib/console/assets.ts'
import { answerOf, type HttpAnswer, requestOf, UNAVAILABLE } from '../lib/console/url.ts'
import { readConfig } from '../lib/config.ts'
import { describe } from '../lib/errors.ts'
import { openLog } from '../lib/log.ts'
import { openPoster } from '../lib/post.ts'
import { openDatabase } from '../lib/store/database.ts'
import { keepWarm } from '../lib/warm.ts'

const open = async () => {
  const config = await readConfig(process.env, [
    'databaseUrl',
    'consoleTokens',
    'channels',
    'addressGuard',
    'keyring',
    'logLevel',
  ])
  const { databaseUrl, consoleTokens: tokens, logLevel, ...rest } = config
  const db = openDatabase(databaseUrl, { queryTimeoutMs: 20_000 })
  const poster = openPoster(config.addressGuard)
  return { db, answer: openConsole({ ...rest, db, poster, tokens, assets, log: openLog(logLevel, console.log) }) }
}

const warm = keepWarm(open, ({ db }) => db.destroy())

/** Function URL → the console. Never throws: the platform would show whoever asks what it threw. */
export async function main_handler(event: unknown): Promise<HttpAnswer> {
  try {
    const { request, address } = requestOf(event)
    return await warm(async ({ answer }, lost) => answerOf(await answer(request, { address, lost })))
  } catch (error) {
    openLog('error', console.log)('error', 'console could not answer', { error: describe(error) })
    return UNAVAILABLE
  }
}
