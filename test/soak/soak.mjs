import { execFileSync } from 'node:child_process'
import { root, runBundled } from '../support/bundled.mjs'

// The processes run dist/: never that of older sources.
execFileSync(process.execPath, ['build.mjs'], { cwd: root, stdio: 'inherit' })
await runBundled('test/soak/main.ts')
