// What a running `rollcall start` leaves for the other commands in its folder, so that they need no settings beside it.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Environment } from '../config.ts'

const NAME = 'running.json'

/** Writes down the settings that lead to what runs; only the owner can read them. Call the result to remove them. */
export function writeRunning(folder: string, environment: Environment): () => void {
  const file = join(folder, NAME)
  mkdirSync(folder, { recursive: true })
  writeFileSync(file, JSON.stringify({ pid: process.pid, environment }), { mode: 0o600 })
  return () => rmSync(file, { force: true })
}

/** The settings of what runs in that folder; undefined when nothing does. */
export function readRunning(folder: string): Environment | undefined {
  try {
    const running = JSON.parse(readFileSync(join(folder, NAME), 'utf8')) as { pid: number; environment: Environment }
    process.kill(running.pid, 0)
    return running.environment
  } catch {
    return undefined
  }
}
