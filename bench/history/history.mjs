import { runBundled } from '../../test/support/bundled.mjs'

await runBundled('bench/history/main.ts')
