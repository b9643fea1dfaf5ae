// The direction rules of the design, section 2, read from the imports of every source file.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { describe, expect, it } from 'vitest'

interface File {
  /** From the root of the repository. */
  path: string
  text: string
}

interface Import {
  /** A file from the root of the repository, or a package. */
  from: string
  isRelative: boolean
  isType: boolean
  names: string
}

const ROOT = join(import.meta.dirname, '..')
const NETWORK = /^node:(http|https|http2|net|dns|dns\/promises|tls|dgram)$/
const MAY_USE_NETWORK = /^lib\/(http|post|resolve|tencent|address)\.ts$|^lib\/(ivh|local|in-place-of)\//
/** Runs in browsers, and asks its own origin only, which its Content-Security-Policy sees to. */
const PAGE = /^lib\/console\/page\//
const MAY_FETCH = /^lib\/console\/page\/api\.ts$/
const MAY_WRITE_QUERIES = /^(lib\/store|migrations)\//
/** The rims: what a platform or a person starts. */
const MAY_READ_ENVIRONMENT = /^(functions|lib\/cli|lib\/ops)\/|^lib\/deploy\/(plugin|local)\.ts$/

/** Every breach of the rules in a file, each with the rule. */
function breaches({ path, text }: File): string[] {
  const found: string[] = []
  const code = withoutComments(text)
  const imports = importsOf(path, code)
  const rule = (holds: boolean, what: string) => void (holds || found.push(`${path}: ${what}`))

  rule(!/(^|\/)(utils?|types|helpers|common)(\.ts|\/)/.test(path), 'is named after nothing it does')
  rule(
    MAY_READ_ENVIRONMENT.test(path) ||
      !/\bprocess\s*(\?\.|\.)\s*env\b|\bprocess\s*\[|\{[^}]*\benv\b[^}]*\}\s*=\s*process\b/.test(code),
    'only functions/, the command line, the plugin and lib/ops/ read process.env',
  )
  rule(
    MAY_USE_NETWORK.test(path) || MAY_FETCH.test(path) || !/\bfetch\s*\(|\bnew\s+(WebSocket|EventSource)\b/.test(code),
    'only http.ts, post.ts, resolve.ts, tencent.ts, address.ts, ivh/ and local/ use the network',
  )
  for (const { from, isRelative, isType, names } of imports) {
    const isValue = !isType
    const inFolder = (folder: string) => isRelative && from.startsWith(folder)
    const what = (text: string) => `${text}, not ${from}`

    rule(!isRelative || /^(functions|lib|migrations)\//.test(from), what('imports sources only'))
    rule(!isRelative || /\.tsx?$/.test(from), what('imports end in .ts'))
    rule(!PAGE.test(from) || PAGE.test(path), what('only the page imports the page'))
    if (PAGE.test(path)) {
      const isItsOwn = isRelative ? PAGE.test(from) : /^(preact(\/hooks)?|uplot)$/.test(from)
      const isSchema = isType && from === 'lib/console/schemas.ts'
      rule(isItsOwn || isSchema, what('the page imports itself, preact, uplot and the types of the API'))
    }
    rule(
      !/^(node:)?(process|module)$/.test(from) || MAY_READ_ENVIRONMENT.test(path) || path.startsWith('lib/local/'),
      what('only functions/, the command line, the plugin and lib/ops/ read process.env'),
    )
    rule(from.startsWith('node:') || !isBuiltin(from), what('built-in modules are imported as node:'))
    rule(!inFolder('functions/'), what('nobody imports functions/'))
    rule(!inFolder('lib/in-place-of/'), what('only build.mjs puts anything in place of a package'))
    if (path.startsWith('functions/')) rule(!isRelative || inFolder('lib/'), what('functions/ imports lib/ only'))
    if (path.startsWith('lib/core/')) {
      rule(inFolder('lib/core/') || from === 'node:crypto', what('lib/core imports lib/core and node:crypto only'))
      rule(from !== 'node:crypto' || !/random|generate/i.test(names), what(`lib/core decides without chance: ${names}`))
    }
    if (path.startsWith('migrations/')) {
      const isItsOwn = path === 'migrations/index.ts' ? inFolder('migrations/') : inFolder('migrations/report/')
      rule(from === 'kysely' || isItsOwn, what('migrations import kysely only'))
    }
    rule(
      !inFolder('migrations/') || /^lib\/migrate\.ts$|^migrations\//.test(path),
      what('only lib/migrate.ts imports migrations/'),
    )
    rule(
      !inFolder('lib/local/') || /^lib\/(local|cli)\//.test(path),
      what('only lib/local and lib/cli import lib/local'),
    )
    rule(!inFolder('lib/cli/') || path.startsWith('lib/cli/'), what('nobody imports the command line'))
    if (path.startsWith('lib/store/')) {
      rule(
        !isRelative || /^lib\/(store|core)\/|^lib\/(errors|id)\.ts$/.test(from),
        what('lib/store knows the core, errors and ids only'),
      )
    }
    if (path.startsWith('lib/local/simulator/')) {
      rule(
        !isRelative || inFolder('lib/local/simulator/'),
        what("the simulator shares nothing with Rollcall's own code"),
      )
    }
    const migrator = path === 'lib/migrate.ts' && /^\{\s*(type \w+,\s*)*Migrator(,\s*type \w+)*,?\s*\}$/.test(names)
    rule(from !== 'kysely' || isType || migrator || MAY_WRITE_QUERIES.test(path), what('only lib/store writes queries'))
    const server = /^lib\/local\/postgres[^/]*\.ts$/.test(path)
    rule(!/^pg(-|\/|$)/.test(from) || server || path.startsWith('lib/store/'), what('only lib/store writes queries'))
    rule(
      !(isValue && NETWORK.test(from)) || MAY_USE_NETWORK.test(path),
      what('only http.ts, post.ts, resolve.ts, tencent.ts, address.ts, ivh/ and local/ use the network'),
    )
    rule(
      isType || !from.startsWith('tencentcloud-sdk') || path === 'lib/tencent.ts',
      what('only lib/tencent.ts uses the SDK'),
    )
    rule(
      !inFolder('lib/deploy/') || /^lib\/(deploy|ops)\//.test(path),
      what('only lib/deploy and lib/ops import lib/deploy'),
    )
  }
  return found
}

/** Static and dynamic imports, requires and re-exports; a type import loads nothing when the code runs. */
function importsOf(path: string, code: string): Import[] {
  const statements = /\b(?:import|export)\s+(type\s+)?([\w*{}\s,$]+?)\s*from\s*(['"])(.+?)\3/g
  const bare = /\bimport\s*(['"])(.+?)\1|\b(?:import|require|require\.resolve)\s*\(\s*(['"`])(.+?)\3/g
  const found = [...code.matchAll(statements)].map(([, type, names = '', , from = '']) => {
    const isType = type !== undefined || /^\{(\s*type\s+[\w$]+(\s+as\s+[\w$]+)?\s*,?)+\s*\}$/.test(names)
    return { from, isType, names }
  })
  for (const [, , effect, , dynamic] of code.matchAll(bare)) {
    found.push({ from: effect ?? dynamic ?? '', isType: false, names: '*' })
  }
  return found.map((one) => {
    const isRelative = one.from.startsWith('.')
    return { ...one, isRelative, from: isRelative ? normalize(join(dirname(path), one.from)) : one.from }
  })
}

function withoutComments(text: string): string {
  // Strings and templates are matched first, so that a // inside one is not taken for a comment.
  const tokens = /('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g
  return text.replace(tokens, (_, string: string | undefined) => string ?? '')
}

/** Of the page, what is no code. */
const ASSET = /lib[\\/]console[\\/]page[\\/][\w-]+\.(html|css|json)$/

const isBuiltin = (name: string) =>
  /^(assert|buffer|child_process|crypto|dns|events|fs|http|https|module|net|os|path|process|stream|tls|url|util|zlib)(\/|$)/.test(
    name,
  )

function sources(): File[] {
  return ['functions', 'lib', 'migrations'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile() && !ASSET.test(join(entry.parentPath, entry.name)))
      .map((entry) => {
        const path = relative(ROOT, join(entry.parentPath, entry.name))
        return { path, text: readFileSync(join(ROOT, path), 'utf8') }
      }),
  )
}

describe('the sources', () => {
  it('are all found, or a breach could hide', () => {
    const paths = sources().map(({ path }) => path)

    expect(paths).toEqual(
      expect.arrayContaining([
        'functions/reconcile.ts',
        'lib/core/diff.ts',
        'lib/local/start.ts',
        'migrations/index.ts',
      ]),
    )
    expect(paths.filter((path) => !/\.ts$|^lib\/console\/page\/.*\.tsx$/.test(path))).toEqual([])
  })

  it('import in one direction: functions → lib → lib/core, and each does only what is its own', () => {
    expect(sources().flatMap(breaches)).toEqual([])
  })
})

describe('a breach is seen', () => {
  it.each<[string, string, string]>([
    ['lib/core/diff.ts', `import { sql } from '../store/database.ts'`, 'lib/core imports'],
    ['lib/core/diff.ts', `import type { Kysely } from 'kysely'`, 'lib/core imports'],
    ['lib/core/diff.ts', `import * as v from 'valibot'`, 'lib/core imports'],
    ['lib/core/diff.ts', `import { readFileSync } from 'node:fs'`, 'lib/core imports'],
    ['lib/core/event.ts', `import { createHash, randomUUID } from 'node:crypto'`, 'without chance'],
    ['lib/core/diff.ts', `export { x } from '../config.ts'`, 'lib/core imports'],
    ['lib/core/diff.ts', `const x = await import('../log.ts')`, 'lib/core imports'],
    ['lib/core/diff.ts', `import {\n  a,\n  b,\n} from '../log.ts'`, 'lib/core imports'],
    ['lib/core/diff.ts', `import '../log.ts'`, 'lib/core imports'],
    ['functions/webhook.ts', `import { up } from '../migrations/0001_foundation.ts'`, 'functions/ imports lib/'],
    ['functions/webhook.ts', `import { open } from './reconcile.ts'`, 'nobody imports functions/'],
    ['lib/reconcile.ts', `import { main_handler } from '../functions/webhook.ts'`, 'nobody imports functions/'],
    ['lib/log.ts', `import { testDatabase } from '../test/support/database.ts'`, 'imports sources only'],
    ['migrations/0002_x.ts', `import { clock } from '../lib/store/account.ts'`, 'migrations import kysely only'],
    ['migrations/0002_x.ts', `import { up } from './0001_foundation.ts'`, 'migrations import kysely only'],
    ['lib/store/event.ts', `import { up } from '../../migrations/0001_foundation.ts'`, 'only lib/migrate.ts imports'],
    ['lib/deliver.ts', `import { sql } from 'kysely'`, 'only lib/store writes queries'],
    ['lib/deliver.ts', `import { type Kysely, sql } from 'kysely'`, 'only lib/store writes queries'],
    ['lib/cli/jobs.ts', `import pg from 'pg'`, 'only lib/store writes queries'],
    ['lib/migrate.ts', `import { Migrator, sql } from 'kysely'`, 'only lib/store writes queries'],
    ['lib/deliver.ts', `import { request } from 'node:https'`, 'use the network'],
    ['lib/store/database.ts', `import net from 'node:net'`, 'use the network'],
    ['lib/reconcile.ts', `await fetch('https://example.com')`, 'use the network'],
    ['lib/cli/jobs.ts', `import { lookup } from 'node:dns/promises'`, 'use the network'],
    ['lib/config.ts', `const key = process.env.IVH_APPKEY`, 'read process.env'],
    ['lib/config.ts', `const { env } = process`, 'read process.env'],
    ['lib/local/start.ts', `const url = process['env'].DATABASE_URL`, 'read process.env'],
    ['lib/log.ts', `import { env } from 'node:process'`, 'read process.env'],
    ['lib/deliver.ts', `import { startPostgres } from './local/postgres.ts'`, 'import lib/local'],
    ['functions/webhook.ts', `import { start } from '../lib/local/start.ts'`, 'import lib/local'],
    ['functions/webhook.ts', `import { print } from '../lib/cli/shell.ts'`, 'the command line'],
    ['lib/local/simulator/life.ts', `import { statusName } from '../../core/session.ts'`, 'shares nothing'],
    ['lib/store/event.ts', `import { post } from '../post.ts'`, 'the core, errors and ids only'],
    ['lib/reconcile.ts', `import { CommonClient } from 'tencentcloud-sdk-nodejs-common'`, 'uses the SDK'],
    ['functions/webhook.ts', `import { scf } from '../lib/deploy/scf.ts'`, 'import lib/deploy'],
    ['lib/tencent.ts', `import { v4 } from './in-place-of/uuid.ts'`, 'only build.mjs'],
    ['lib/log.ts', `import { join } from 'path'`, 'imported as node:'],
    ['lib/console/app.ts', `import { plain } from './page/format.ts'`, 'only the page imports the page'],
    ['lib/console/page/api.ts', `import { AppError } from '../../errors.ts'`, 'the page imports itself'],
    ['lib/console/page/api.ts', `import * as v from 'valibot'`, 'the page imports itself'],
    ['lib/console/page/api.ts', `import { now } from '../schemas.ts'`, 'the page imports itself'],
    ['lib/console/page/app.tsx', `await fetch('/api/now')`, 'use the network'],
    ['lib/utils.ts', '', 'named after nothing'],
    ['lib/core/types.ts', '', 'named after nothing'],
  ])('%s: %s', (path, text, expected) => {
    expect(breaches({ path, text })).toContainEqual(expect.stringContaining(expected))
  })

  it.each<[string, string]>([
    ['lib/core/diff.ts', `import { createHash } from 'node:crypto'\nimport type { Session } from './session.ts'`],
    ['lib/deliver.ts', `import type { Kysely } from 'kysely'\nimport { type Transaction } from 'kysely'`],
    ['lib/migrate.ts', `import { type Kysely, Migrator } from 'kysely'`],
    ['lib/local/postgres.ts', `import { Client } from 'pg'\nimport { createServer } from 'node:net'`],
    ['lib/console/page/api.ts', `import type { Now } from '../schemas.ts'\nconst x = fetch('/api/now')`],
    ['lib/console/page/app.tsx', `import { useState } from 'preact/hooks'\nimport { Name } from './parts/name.tsx'`],
    ['lib/log.ts', `// import pg from 'pg'\n/* process.env.X */ const url = 'https://x//y'`],
    ['lib/scf.ts', `import type { LookupFunction } from 'node:net'`],
    ['lib/tencent.ts', `const { CommonClient } = await import('tencentcloud-sdk-nodejs-common')`],
    ['functions/webhook.ts', `import { drain } from '../lib/deliver.ts'\nconst x = process.env.X`],
  ])('but not in %s: %s', (path, text) => {
    expect(breaches({ path, text })).toEqual([])
  })
})
