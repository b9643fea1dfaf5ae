import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { momentOf } from '../deploy/logs.ts'

/** Of which deployment, and how it is told. */
export interface Asked {
  stage?: string
  /** Each `NAME=VALUE`. */
  param: string[]
  json?: boolean
}

/** What is asked for. */
export type Order =
  | { verb: 'status'; asked: Asked & { backlogMinutes: number; ignore: string[] } }
  | { verb: 'smoke'; asked: Asked }
  | { verb: 'logs'; asked: Asked & { function: string; since: number; filter?: string } }

/** The exit code of a command line that is wrong. */
export const USAGE = 2

/** Reads a command line, or prints the usage and gives the exit code: 0 for who asked for it, 2 for what is wrong. */
export function readOrder(argv: string[], now: number): Order | { exitCode: number } {
  let order: Order | undefined
  const program = new Command('npm run ops --')
    .description('how a deployment goes, asked through Tencent Cloud’s API')
    .exitOverride()
    .showHelpAfterError()
  const verb = (name: Order['verb'], description: string) =>
    program
      .command(name)
      .description(description)
      .option('--stage <name>', 'the stage (default: dev)')
      .option('--param <name=value>', 'a parameter of serverless.yml, as it was deployed with; repeatable', pair, [])
      .option('--json', 'print one JSON value')
      .action((asked) => void (order = { verb: name, asked }))
  verb('status', 'whether all is deployed, ticks and delivers; exit code 1 with the reasons when it does not')
    .option('--backlog-minutes <n>', 'how long a delivery may wait that could be made', minutes, 10)
    .option('--ignore <account>', 'an account that is watched no more; repeatable', several, [])
  verb('smoke', 'one tick of every account, now')
  verb('logs', 'what a function logged')
    .requiredOption('--function <name>', 'as serverless.yml names it')
    .option('--since <time>', 'a span before now, such as 10m, 2h or 1d, or a date', moment(now), now - 600_000)
    .option('--filter <condition>', 'a condition of Cloud Log Service besides')
  try {
    program.parse(argv)
  } catch (error) {
    if (error instanceof CommanderError) return { exitCode: error.exitCode === 0 ? 0 : USAGE }
    throw error
  }
  return order ?? { exitCode: USAGE }
}

const several = (text: string, before: string[]) => [...before, text]

function pair(text: string, before: string[]): string[] {
  if (!/^[^=]+=/.test(text)) throw new InvalidArgumentError('Expected NAME=VALUE.')
  return several(text, before)
}

function minutes(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('Expected whole minutes.')
  return Number(text)
}

const moment = (now: number) => (text: string) => {
  const at = momentOf(text, now)
  if (at === undefined) throw new InvalidArgumentError('Expected a span such as 10m, 2h or 1d, or a date.')
  return at
}
