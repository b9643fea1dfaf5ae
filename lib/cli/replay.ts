import { type Command, Option } from 'commander'
import { replay, type ReplayFilter } from '../store/replay.ts'
import { argument } from './arguments.ts'
import { print, withDatabase } from './shell.ts'

/** `replay`: events once more. */
export function addReplay(program: Command): void {
  program
    .command('replay')
    .description('send events to an endpoint again, with the same ids and bytes')
    .requiredOption('--endpoint <id>', 'to which')
    .option('--event <id>', 'only this event')
    .option('--session <id>', 'only events of this session')
    .addOption(new Option('--state <state>', 'only deliveries in this state').choices(['dead', 'delivered']))
    .option('--since <time>', 'only changes seen at that moment or later', argument.time)
    .option('--until <time>', 'only changes seen before that moment', argument.time)
    .option('--dry-run', 'only count')
    .option('--json', 'print one JSON value')
    .action(async ({ dryRun = false, json, ...filter }: ReplayFilter & { dryRun?: boolean; json?: boolean }) => {
      const options = { ...(json !== undefined && { json }) }
      const onStep = ({ matched, queued }: { matched: number; queued: number }) =>
        void (json || process.stderr.write(`${queued} of ${matched} queued\n`))
      const replayed = await withDatabase([], (db) => replay(db, filter, { dryRun, onStep }))
      print(replayed, options, ({ matched, queued }) =>
        matched === 0
          ? 'nothing matches: no event of this endpoint fits what was asked for'
          : dryRun
            ? `${matched} would be sent again`
            : `${queued} of ${matched} will be sent again; the others are pending already`,
      )
    })
}
