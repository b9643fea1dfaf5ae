// Installs what mutation testing needs the first time, then runs main.ts.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { runBundled } from '../support/bundled.mjs'

const folder = fileURLToPath(new URL('.', import.meta.url))
// npm writes it last.
if (!existsSync(`${folder}node_modules/.package-lock.json`)) {
  const { status } = spawnSync('npm', ['ci'], { cwd: folder, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
await runBundled('test/mutation/main.ts')
