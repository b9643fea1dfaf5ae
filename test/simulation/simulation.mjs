import { runBundled } from '../support/bundled.mjs'

await runBundled('test/simulation/main.ts')
