import { execFile } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

// From two folders below the root, where a bench's bundle lies, too.
const FOLDER = join(import.meta.dirname, '../../test/nodes')
const binaryOf = (name: string) => join(FOLDER, 'node_modules', name, 'bin', 'node')

/** Whether the Nodes of SCF's runtimes exist for this machine: packages have them for Linux on x64 only. */
export const hasNodes = process.platform === 'linux' && process.arch === 'x64'

/** The path of Node 18.15, the newest that SCF documents. Throws where there is none. */
export const node18 = () => install('node18')

/** The path of Node 20.19. Throws where there is none. */
export const node20 = () => install('node20')

/** The Nodes to run a bundle on, each with what to call it: those of SCF, or else the one that runs the tests. */
export const NODES: (readonly [string, () => Promise<string>])[] = hasNodes
  ? [
      ['Node 20.19', node20],
      ['Node 18.15', node18],
    ]
  : [['this Node', () => Promise.resolve(process.execPath)]]

/** Installed by npm the first time. Safe from several test files at once. */
async function install(name: string): Promise<string> {
  if (existsSync(binaryOf(name))) return binaryOf(name)
  if (!hasNodes) throw new Error(`there is no ${name} for ${process.platform}-${process.arch}: skip unless hasNodes`)
  // Installed aside and renamed, so that nobody sees half of it.
  const aside = mkdtempSync(join(FOLDER, 'node_modules.new-'))
  try {
    for (const file of ['package.json', 'package-lock.json']) copyFileSync(join(FOLDER, file), join(aside, file))
    await promisify(execFile)('npm', ['ci', '--no-bin-links', '--prefix', aside], { cwd: aside })
    renameSync(join(aside, 'node_modules'), join(FOLDER, 'node_modules'))
  } catch (error) {
    if (!existsSync(binaryOf(name))) throw error
  } finally {
    rmSync(aside, { recursive: true, force: true })
  }
  return binaryOf(name)
}
