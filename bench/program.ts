// Programs of this folder in processes of their own, so that what is measured shares no event loop with what measures it.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { basename, join } from 'node:path'
import { build } from 'esbuild'

/** Of the repository: npm runs its scripts there. */
export const ROOT = process.cwd()

/** A clock that processes of one machine share: milliseconds since 1970, with fractions. */
export const nowMs = () => performance.timeOrigin + performance.now()

/** A running program that answers questions. */
export interface Program<Questions> {
  ask<Name extends keyof Questions & string>(
    name: Name,
    ...args: ArgumentsOf<Questions[Name]>
  ): Promise<AnswerOf<Questions[Name]>>
  stop(): Promise<void>
}

type ArgumentsOf<Question> = Question extends (...args: infer Args) => unknown ? Args : never
type AnswerOf<Question> = Question extends (...args: never) => infer Answer ? Awaited<Answer> : never

interface Asked {
  number: number
  name: string
  args: unknown[]
}

/** Starts `bench/<file>`, which must call `answer`. It ends with us, however we end. */
export async function startProgram<Questions>(file: string, ...args: string[]): Promise<Program<Questions>> {
  const outfile = join(ROOT, 'node_modules/.rollcall', `${basename(file, '.ts')}.mjs`)
  await build({
    entryPoints: [join(ROOT, 'bench', file)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    sourcemap: 'inline',
    logLevel: 'warning',
  })
  const child = fork(outfile, args, { serialization: 'advanced', execArgv: ['--enable-source-maps'] })
  const waiting = new Map<number, { resolve: (answer: unknown) => void; reject: (error: unknown) => void }>()
  let asked = 0
  child.on('message', ({ number, answer, fault }: { number: number; answer?: unknown; fault?: string }) => {
    const one = waiting.get(number)
    waiting.delete(number)
    if (fault === undefined) one?.resolve(answer)
    else one?.reject(new Error(`${file}: ${fault}`))
  })
  child.once('exit', (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`${file} ended with ${signal ?? code}`))
  })
  return {
    ask: (name, ...questionArgs) =>
      new Promise((resolve, reject) => {
        asked += 1
        waiting.set(asked, { resolve: resolve as (answer: unknown) => void, reject })
        child.send({ number: asked, name, args: questionArgs } satisfies Asked)
      }),
    stop: () => end(child),
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.disconnect()
  await ended
}

/** In the program: what it answers, by name. */
export function answer(questions: Record<string, (...args: never[]) => unknown>): void {
  process.on('message', ({ number, name, args }: Asked) => {
    const reply = (message: object) => process.send?.({ number, ...message })
    Promise.resolve(questions[name]?.(...(args as never[]))).then(
      (given) => reply({ answer: given }),
      (error: unknown) => reply({ fault: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    )
  })
  process.on('disconnect', () => process.exit())
}
