import { Command, CommanderError } from 'commander'
import { describe } from '../errors.ts'
import { explainDatabaseError } from '../store/fault.ts'
import { addEndpointCommands } from './endpoint.ts'
import { addHistory } from './history.ts'
import { addJobs } from './jobs.ts'
import { addReplay } from './replay.ts'
import { addReport } from './report.ts'
import { addServers } from './start.ts'

const SUCCESS = 0
const FAILURE = 1
const USAGE = 2

/** Runs one command line and gives the exit code: 0 success, 1 failure (one line on standard error), 2 usage. */
async function run(argv: string[]): Promise<number> {
  const program = new Command('rollcall')
    .description('events, webhooks and history of Tencent Cloud AI Digital Human sessions')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    // Commander shows the argument it refuses; a header's holds a secret, perhaps.
    .configureOutput({
      outputError: (text, write) =>
        write(text.replace(/(option '--header .*?') argument '.*' is invalid/s, '$1 is invalid')),
    })
  addServers(program)
  addJobs(program)
  addEndpointCommands(program)
  addHistory(program)
  addReplay(program)
  addReport(program)
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
