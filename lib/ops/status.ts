import { type ActualFunction, readFunctions } from '../deploy/actual.ts'
import { describeService } from '../deploy/info.ts'
import { liveVersion } from '../deploy/plan.ts'
import { releasesOf } from '../deploy/rollback.ts'
import type { Service } from '../deploy/service.ts'
import type { Cloud } from '../tencent.ts'
import { type Inside, lookInside } from './inside.ts'
import { type Facts, problemsOf, span, type Tolerance } from './problems.ts'
import type { Told } from './told.ts'

/** Looks at the whole deployment. Throws what scf.ts throws. */
export async function status(cloud: Cloud, service: Service, tolerance: Tolerance): Promise<Told> {
  const functions = await readFunctions(cloud, service)
  const declared = service.functions.find(({ key }) => key === 'status')
  const isThere = declared !== undefined && functions.some(({ name }) => name === declared.name)
  const inside = isThere ? await lookInside(cloud, declared) : null
  const facts = { service, functions, inside }
  const problems = problemsOf(facts, tolerance)
  return { isWell: problems.length === 0, json: toJson(facts, problems), lines: toLines(facts), problems }
}

function toJson({ service, functions, inside }: Facts, problems: string[]): object {
  const known = inside === null || 'fault' in inside ? { migrated: null, accounts: [], backlog: null } : inside
  return {
    ok: problems.length === 0,
    problems,
    service: service.name,
    stage: service.stage,
    region: service.region,
    ...releases(functions),
    functions: functions.map(described),
    migrated: known.migrated,
    accounts: known.accounts,
    backlog: known.backlog,
  }
}

/** The times of the release that is live, if one is, and of the newest. */
function releases(functions: ActualFunction[]): { release: string | null; newest: string | null } {
  const all = releasesOf(functions)
  const live = all.filter(({ isLive }) => isLive).at(-1)
  return { release: live?.release.time ?? null, newest: all.at(-1)?.release.time ?? null }
}

/** Field by field: the configuration holds settings, which nobody may see. */
function described(actual: ActualFunction): object {
  const { name, status, live, triggers } = actual
  return {
    name,
    status,
    version: live,
    release: liveVersion(actual)?.release.time ?? null,
    triggers: triggers.map(({ type, name: trigger, cron, auth, url, isOpen, qualifier }) => {
      return { type, name: trigger, cron, auth, url, open: isOpen, qualifier }
    }),
  }
}

function toLines({ service, functions, inside }: Facts): string[] {
  const { release, newest } = releases(functions)
  const lines = describeService(service, functions)
  // Wanted after a rollback, and not after a deployment that was interrupted: who operates it knows which it was.
  if (release !== null && release !== newest) lines.push(`release ${newest} is newer than what is live`)
  if (inside === null || 'fault' in inside) return lines
  return [...lines, ...inside.accounts.map(tickLine), ...backlogLines(inside)]
}

function tickLine({ account, outcome, error, ageSeconds }: Inside['accounts'][number]): string {
  if (outcome === null || ageSeconds === null) return `account ${account}: no tick yet`
  return `account ${account}: ${outcome}${error === null ? '' : ` (${error})`}, ${span(ageSeconds)} ago`
}

function backlogLines({ backlog }: Inside): string[] {
  if (backlog === null) return []
  const { countedUpTo, pending, oldestDue, deadOfLastDay, disabled } = backlog
  const count = (number: number) => (number < countedUpTo ? String(number) : `${countedUpTo} or more`)
  const oldest = oldestDue === null ? 'none due' : `the oldest due for ${span(oldestDue.ageSeconds)}`
  return [
    `deliveries: ${count(pending)} pending, ${oldest}; ${count(deadOfLastDay)} given up within a day`,
    ...disabled.map(({ endpoint, reason }) => `endpoint ${endpoint}: disabled (${reason})`),
  ]
}
