import { Command, CommanderError } from 'commander'
import { describe } from '../errors.ts'
import { explainDatabaseError } from '../store/fault.ts'
import { addEndpointCommands } from './endpoint.ts'
import { addHistory } from './history.ts'
import { addJobs } from './jobs.ts'
import { addReplay } from './replay.ts'
import { addServers } from './start.ts'

const SUCCESS = 0
const FAILURE = 1
const USAGE = 2

/** What is wrong with an option without its value, which of a header may be a secret. */
const withoutValue = (text: string) => text.replace(/ argument '.*' is invalid/s, ' is invalid')

/** Runs one command line and gives the exit code: 0 success, 1 failure (one line on standard error), 2 usage. */
async function run(argv: string[]): Promise<number> {
  const program = new Command('rollcall')
    .description('events, webhooks and history of Tencent Cloud AI Digital Human sessions')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(withoutValue(text)) })
    .configureHelp({ showGlobalOptions: true })
  addServers(program)
  addJobs(program)
  addEndpointCommands(program)
  addHistory(program)
  addReplay(program)
  try {
    await program.parseAsync(argv)
    return SUCCESS
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? SUCCESS : USAGE
    process.stderr.write(`${describe(explainDatabaseError(error))}\n`)
    return FAILURE
  }
}

// Whoever read our output has hung up: a server stops in order, any other command just ends.
process.stdout.once('error', () => {
  process.stdout.on('error', () => undefined)
  if (!process.emit('SIGPIPE')) process.exit(SUCCESS)
})

void run(process.argv).then((code) => {
  process.exitCode = code
})
