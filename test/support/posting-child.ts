// lib/post.ts in a process of its own, bundled as functions are: for what only a whole process can show.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'

const POST = join(import.meta.dirname, '../../lib')

const ENTRY = `
  import { addressGuard } from './address.ts'
  import { openPoster, post } from './post.ts'
  const [url, allowed, dnsServers] = JSON.parse(process.argv[1])
  const poster = openPoster(addressGuard(allowed), dnsServers)
  post(poster, url, { headers: {}, body: '{}' }, 5000).then((outcome) => {
    console.log(JSON.stringify(outcome))
    process.exit(0)
  })`

export interface Posting {
  url: string
  /** The address guard's ranges. */
  allowed: string[]
  dnsServers?: string[]
  /** Another Node than this one. */
  node?: string
  /** Runs first, before anything is posted. */
  before?: string
  env?: Record<string, string>
  /** How many files the process may open. */
  openFiles?: number
}

/** The outcome of one POST by a fresh process. */
export async function postInChild({
  url,
  allowed,
  dnsServers,
  node = process.execPath,
  before = '',
  env,
  openFiles,
}: Posting): Promise<unknown> {
  const { outputFiles } = await build({
    stdin: { contents: ENTRY, resolveDir: POST, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node18.15',
    write: false,
  })
  const code = before + (outputFiles[0]?.text ?? '')
  const args = [node, '-e', code, '--', JSON.stringify([url, allowed, dnsServers])]
  const limit = openFiles === undefined ? '' : `ulimit -n ${openFiles}; `
  const { stdout } = await promisify(execFile)('sh', ['-c', `${limit}exec "$@"`, 'sh', ...args], { env: { ...env } })
  return JSON.parse(stdout)
}
