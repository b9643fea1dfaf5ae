// What bench/package.json installs is found from bench/peers/ only, where plain .mjs files use it: bundles lie elsewhere, and
// `npm run check` must pass without it.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ROOT } from './program.ts'

/** What `bench/peers/<file>` exports, as the caller knows it to be. */
export async function importPeer<Exports>(file: string): Promise<Exports> {
  return (await import(pathToFileURL(join(ROOT, 'bench/peers', file)).href)) as Exports
}
