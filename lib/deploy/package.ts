// From sources to the archives that SCF takes. It reads no setting and uses no network.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { zipSync } from 'fflate'
import { bundleFunctions } from './bundle.ts'
import { AppError } from '../errors.ts'

/** The code of a function as SCF takes it. */
export interface Archive {
  zip: Uint8Array
  /** SHA-256 of the zip, hex. */
  sha256: string
}

/** The sizes of a packaged function, in bytes. */
export interface Sizes {
  name: string
  bundle: number
  gzip: number
  zip: number
}

// Fixed, or the same code would be another archive each time; the first date that zip can hold. Taken as local time, as
// the archive's own times are, so that the bytes do not depend on the time zone.
const ANY_TIME = new Date(1980, 0, 1)

const zipPath = (folder: string, name: string) => join(folder, `${name}.zip`)

/**
 * Bundles each function (name → source file) and writes `NAME.zip` into the folder, with its source map apart in `maps/`.
 * The same sources give the same bytes. Throws esbuild's error for code that does not compile.
 */
export async function packageFunctions(sources: Record<string, string>, folder: string): Promise<Sizes[]> {
  const maps = join(folder, 'maps')
  rmSync(maps, { recursive: true, force: true })
  mkdirSync(maps, { recursive: true })
  await bundleFunctions(sources, maps)
  return Object.keys(sources).map((name) => {
    const path = join(maps, `${name}.js`)
    const code = readFileSync(path)
    // The map stays: without it nobody can read a stack trace. The code goes into the archive.
    rmSync(path)
    const zip = zipSync({ 'index.js': [code, { mtime: ANY_TIME, os: 3, attrs: 0o100644 << 16, level: 9 }] })
    writeFileSync(zipPath(folder, name), zip)
    return { name, bundle: code.length, gzip: gzipSync(code).length, zip: zip.length }
  })
}

/** The archive of a function that was packaged into the folder. Throws `not_found` when it was not. */
export function readArchive(folder: string, name: string): Archive {
  const path = zipPath(folder, name)
  try {
    const zip = readFileSync(path)
    return { zip, sha256: createHash('sha256').update(zip).digest('hex') }
  } catch (error) {
    throw new AppError('not_found', `there is no ${path}: run \`serverless package\` first`, { cause: error })
  }
}
