// What all tests share: one server with a migrated template database, and dist/ built once from the sources they test.
import { execFileSync } from 'node:child_process'
import type { TestProject } from 'vitest/node'
import { startTestServer } from './clone.ts'
import { hasNodes, node18 } from './nodes.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Of the database `rollcall`, as superuser; it holds nothing. */
    postgresUrl: string
  }
}

/** Runs once before all test files; what it returns runs once after them. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  execFileSync(process.execPath, ['build.mjs'], { cwd: project.config.root, stdio: 'inherit' })
  // Not within the time of the test that needs one first; where they cannot be had, that test says so.
  if (hasNodes) await node18().catch(() => undefined)
  const server = await startTestServer()
  project.provide('postgresUrl', server.url)
  return () => server.stop()
}
