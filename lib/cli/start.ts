import { type Command } from 'commander'
import { start } from '../local/start.ts'
import { createSimulator } from '../local/simulator/simulator.ts'
import { serveSimulator } from '../local/simulator/server.ts'
import { lively, runTraffic } from '../local/simulator/traffic.ts'
import { argument } from './arguments.ts'
import { LOCAL_FOLDER, print } from './shell.ts'

/** What serves until it is stopped: `start` and `simulate`. */
export function addServers(program: Command): void {
  program
    .command('start')
    .description('run everything on this machine: database, simulator, ticks, drains and a sample subscriber')
    .option('--every <seconds>', 'how often to tick', argument.seconds, 3)
    .option('--console-port <n>', 'where to serve the console on 127.0.0.1 (default: any free port)', argument.port)
    .action(async ({ every, consolePort }: { every: number; consolePort?: number }) => {
      const say = (line: string) => void process.stdout.write(`${line}\n`)
      // From the beginning: a Ctrl-C while the database starts must not leave it behind.
      const stopped = untilStopped()
      const stop = await start({
        environment: process.env,
        folder: LOCAL_FOLDER,
        tickSeconds: every,
        ...(consolePort !== undefined && { consolePort }),
        say,
      })
      await stopped
      say('\nstopping …')
      await stop()
    })

  program
    .command('simulate')
    .description('serve a simulated Digital Human API with lively traffic')
    .option('--port <n>', 'where to listen on 127.0.0.1 (default: any free port)', argument.port)
    .option('--seed <n>', 'the same seed gives the same lives', argument.wholeNumber)
    .option('--json', 'print one JSON value')
    .action(async (options: { port?: number; seed?: number; json?: boolean }) => {
      const stopped = untilStopped()
      const simulator = createSimulator({ seed: options.seed ?? Date.now(), settings: lively.settings })
      const server = await serveSimulator(simulator, options.port === undefined ? {} : { port: options.port })
      const stopTraffic = runTraffic(simulator)
      const { appkey, accessToken } = simulator
      print({ url: server.url, appkey, accessToken, truth: server.truthUrl }, options, (served) =>
        [
          `export IVH_BASE_URL=${served.url}`,
          `export IVH_APPKEY=${appkey}`,
          `export IVH_ACCESS_TOKEN=${accessToken}`,
          `# what really happens: ${served.truth}`,
        ].join('\n'),
      )
      await stopped
      stopTraffic()
      await server.close()
    })
}

/**
 * Resolves when asked to stop, or when nobody reads the output any more. One Ctrl-C may arrive twice, from the terminal and
 * by way of npm; a later one ends the process at once.
 */
function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    let askedAt: number | undefined
    const stop = () => {
      if (askedAt !== undefined && performance.now() - askedAt > 1_000) process.exit(1)
      askedAt ??= performance.now()
      resolve()
    }
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGPIPE'] as const) process.on(signal, stop)
  })
}
