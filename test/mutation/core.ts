import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import type { Tested } from './main.ts'

const REPORT = 'coverage/mutation/core.json'

/** As far as it is read here. Source: the schema of Stryker's reports. */
interface StrykerReport {
  files: Record<string, { source: string; mutants: StrykerMutant[] }>
}
interface StrykerMutant {
  status: string
  replacement: string
  location: { start: Place; end: Place }
}
interface Place {
  line: number
  column: number
}

/** Stryker's mutants of the pure core, and whether its tests notice; the whole report is coverage/mutation/core.html. */
export function testCore(): Tested[] {
  rmSync(REPORT, { force: true })
  const stryker = createRequire(resolve('test/mutation/package.json')).resolve('@stryker-mutator/core')
  const command = [resolve(stryker, '../../../bin/stryker.js'), 'run', 'test/mutation/stryker.config.json']
  const { status } = spawnSync(process.execPath, command, { stdio: 'inherit' })
  if (status !== 0) throw new Error(`Stryker ended with ${status}`)
  const { files } = JSON.parse(readFileSync(REPORT, 'utf8')) as StrykerReport
  return Object.entries(files).flatMap(([file, { source, mutants }]) => {
    const lines = source.split('\n')
    const offset = ({ line, column }: Place) =>
      lines.slice(0, line - 1).join('\n').length + (line > 1 ? 1 : 0) + column - 1
    return mutants.map(({ status, replacement, location: { start, end } }) => ({
      file,
      line: start.line,
      what: `${source.slice(offset(start), offset(end))} → ${replacement}`.replaceAll(/\s+/g, ' '),
      killed: status === 'Killed' || status === 'Timeout',
    }))
  })
}
