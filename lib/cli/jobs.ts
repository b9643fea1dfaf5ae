import type { Command } from 'commander'
import { drain } from '../deliver.ts'
import { migrateToLatest } from '../migrate.ts'
import { openPoster } from '../post.ts'
import { assertReconciled, reconcile } from '../reconcile.ts'
import { argument } from './arguments.ts'
import { print, table, withDatabase } from './shell.ts'

interface Options {
  json?: boolean
}

/** The jobs that functions run in the cloud, each once: `migrate`, `tick`, `drain`. */
export function addJobs(program: Command): void {
  program
    .command('migrate')
    .description('bring the database to the newest migration')
    .option('--json', 'print one JSON value')
    .action(async (options: Options) => {
      const applied = await withDatabase([], (db) => migrateToLatest(db))
      print({ applied }, options, () => (applied.length > 0 ? `applied ${applied.join(', ')}` : 'nothing to apply'))
    })

  program
    .command('tick')
    .description('reconcile every account once')
    .option('--json', 'print one JSON value')
    .action(async (options: Options) => {
      const accounts = await withDatabase(['accounts'], (db, config) => reconcile(db, config.accounts))
      assertReconciled(accounts)
      print({ accounts }, options, () =>
        table(
          accounts.map(({ ...row }) => row),
          'no accounts',
        ),
      )
    })

  program
    .command('drain')
    .description('deliver what is due')
    .option('--seconds <n>', 'the longest it may take', argument.drainSeconds, 60)
    .option('--json', 'print one JSON value')
    .action(async (options: Options & { seconds: number }) => {
      const result = await withDatabase(['addressGuard', 'keyring'], (db, { addressGuard, keyring }) =>
        drain(db, openPoster(addressGuard), { timeMs: options.seconds * 1_000, keyring }),
      )
      print(result, options, () => table([result], ''))
    })
}
