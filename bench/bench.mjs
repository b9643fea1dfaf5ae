import { runBundled } from '../test/support/bundled.mjs'
import { installPeers } from './install.mjs'

installPeers()
await runBundled('bench/main.ts')
