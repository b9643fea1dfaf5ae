import { runBundled } from '../support/run-bundled.mjs'

await runBundled('test/simulation/main.ts', process.argv.slice(2))
