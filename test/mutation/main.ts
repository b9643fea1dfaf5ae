// `npm run mutation [-- core | sql [TEXT]]`: changes the code in small ways and looks whether a test notices. TEXT picks
// mutants of statements by what is printed of them.
import { testCore } from './core.ts'
import { testSql } from './sql.ts'

/** One change to the code, and whether a test failed with it. */
export interface Tested {
  file: string
  line: number
  /** What was changed, for people. */
  what: string
  killed: boolean
}

const [part = 'all', only] = process.argv.slice(2)
const startedAt = Date.now()
const tested: Tested[] = []
if (part !== 'sql') tested.push(...testCore())
if (part !== 'core') tested.push(...(await testSql(only)))

const survivors = tested.filter(({ killed }) => !killed)
for (const { file, line, what } of survivors) console.log(`survived: ${file}:${line}: ${what}`)
const rows = [...new Set(tested.map(({ file }) => file)), 'all'].map((name) => {
  const of = (list: Tested[]) => list.filter(({ file }) => name === 'all' || file === name).length
  const [mutants, survived] = [of(tested), of(survivors)]
  const share = `${((1 - survived / mutants) * 100).toFixed(1)} %`
  return [name, { mutants, killed: mutants - survived, survived, share }] as const
})
console.table(Object.fromEntries(rows))
console.log(`${Math.round((Date.now() - startedAt) / 1000)} s`)
