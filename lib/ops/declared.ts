import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { AppError } from '../errors.ts'
import { readService, type Service } from '../deploy/service.ts'
import type { Asked } from './arguments.ts'

/**
 * The service of a folder as `serverless` fills in its variables. Throws `config_invalid` with what is wrong with it, in the
 * words of `serverless`.
 */
export async function readDeclared(folder: string, { stage, param }: Asked): Promise<Service> {
  const program = join(folder, 'node_modules', 'serverless', 'bin', 'serverless.js')
  const chosen = [...(stage === undefined ? [] : [`--stage=${stage}`]), ...param.map((one) => `--param=${one}`)]
  const printed = await run(folder, [program, 'print', '--format', 'json', ...chosen])
  return readService(JSON.parse(printed) as Parameters<typeof readService>[0])
}

const LONGEST_MS = 60_000
const MOST_BYTES = 16_000_000

function run(cwd: string, args: string[]): Promise<string> {
  // In colours, its messages could not be told again.
  const options = { cwd, timeout: LONGEST_MS, maxBuffer: MOST_BYTES, env: { ...process.env, FORCE_COLOR: '0' } }
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      if (!error) return resolve(stdout)
      const why = stdout.replace(/^Error:\s*/, '').trim() || stderr.trim() || error.message
      reject(new AppError('config_invalid', `serverless print: ${why}`, { cause: error }))
    })
  })
}
