import { execFile } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'

const FOLDER = join(import.meta.dirname, 'published')

/** A class that signs and verifies, as `standardwebhooks` and `svix` have it. */
export interface PublishedWebhook {
  sign(id: string, timestamp: Date, body: string): string
  verify(body: string, headers: Record<string, string>): unknown
}

/** What the published libraries export, as far as tests use it. */
export interface Published {
  svix: { Webhook: new (secret: string) => PublishedWebhook }
  cloudevents: { HTTP: { toEvent(message: { headers: Record<string, string>; body: string }): unknown } }
}

/** Their `node_modules`, installed by npm the first time. Safe from several test files at once. */
export async function publishedModules(): Promise<string> {
  const modules = join(FOLDER, 'node_modules')
  if (existsSync(modules)) return modules
  // Installed aside and renamed, so that nobody sees half of it.
  const aside = mkdtempSync(join(FOLDER, 'node_modules.new-'))
  try {
    for (const file of ['package.json', 'package-lock.json']) copyFileSync(join(FOLDER, file), join(aside, file))
    await promisify(execFile)('npm', ['ci', '--ignore-scripts', '--prefix', aside], { cwd: aside })
    renameSync(join(aside, 'node_modules'), modules)
  } catch (error) {
    if (!existsSync(modules)) throw error
  } finally {
    rmSync(aside, { recursive: true, force: true })
  }
  return modules
}

/** The libraries themselves. */
export async function published(): Promise<Published> {
  const load = createRequire(join(await publishedModules(), 'index.js'))
  return { svix: load('svix') as Published['svix'], cloudevents: load('cloudevents') as Published['cloudevents'] }
}
