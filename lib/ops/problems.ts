// What is wrong with a deployment, from what was found of it: each a line that says what to do. Pure.
import { type ActualFunction, findTrigger, triggerFault } from '../deploy/actual.ts'
import { ownerOf } from '../deploy/mark.ts'
import { liveVersion } from '../deploy/plan.ts'
import { releasesOf } from '../deploy/rollback.ts'
import type { DeclaredFunction, Service } from '../deploy/service.ts'
import { longestGapSeconds } from '../deploy/timer.ts'
import { LATEST } from '../tencent.ts'
import type { Inside } from './inside.ts'

/** What was found. */
export interface Facts {
  service: Service
  /** Those of the service that are there. */
  functions: ActualFunction[]
  /** What the function status says, or why it says nothing; null when it is not deployed. */
  inside: Inside | { fault: string } | null
}

/** What is not a problem yet, or never. */
export interface Tolerance {
  /** How long a delivery may wait that could be made. */
  backlogMinutes: number
  /** Accounts that are watched no more. */
  ignore: string[]
}

/** A look at the sessions may be so old, or so many intervals of its timer. */
const OLD_AFTER_SECONDS = 60
const OLD_AFTER_INTERVALS = 3

/** The problems; none when all is well. */
export function problemsOf({ service, functions, inside }: Facts, tolerance: Tolerance): string[] {
  const deploy = `npx serverless deploy --stage ${service.stage}`
  const ops = (verb: string) => `npm run ops -- ${verb} --stage ${service.stage}`
  if (functions.length === 0)
    return [`nothing is deployed in ${service.region}: check the stage and the region, or ${deploy}`]
  const found = service.functions.map((declared) => ({
    declared,
    actual: functions.find(({ name }) => name === declared.name),
  }))
  return [
    ...found.flatMap(({ declared, actual }) =>
      actual === undefined
        ? [`function ${declared.name} is not deployed: ${deploy}`]
        : [...functionProblems(actual, service, deploy), ...triggerProblems(declared, actual, deploy)],
    ),
    ...releaseProblems(service, functions, deploy),
    ...insideProblems(inside, service, tolerance, { deploy, ops }),
  ]
}

function functionProblems(actual: ActualFunction, { name, stage }: Service, deploy: string): string[] {
  const { name: itsName, status, live, owner } = actual
  if (owner !== ownerOf(name, stage))
    return [`function ${itsName} was not deployed from this service and stage: remove it, or choose another name`]
  const problems: string[] = []
  if (status !== 'Active') {
    const cure = status.endsWith('ing') ? 'wait until the deployment is done, and look again' : deploy
    problems.push(`function ${itsName} is ${status} instead of Active: ${cure}`)
  }
  if (liveVersion(actual) === undefined) {
    const what = live === LATEST ? 'no version is live' : `version ${live} is live, which no deployment published`
    problems.push(`function ${itsName}: ${what}: ${deploy}`)
  }
  return problems
}

/** An interrupted deployment leaves functions of one release beside those of another. */
function releaseProblems(
  { functions: declared, stage }: Service,
  functions: ActualFunction[],
  deploy: string,
): string[] {
  const isComparable = functions.length === declared.length && functions.every((one) => liveVersion(one) !== undefined)
  if (!isComparable || releasesOf(functions).some(({ isLive }) => isLive)) return []
  return [
    `what is live is of several releases: ${deploy}, or go back by npx serverless rollback --stage ${stage} --timestamp RELEASE`,
  ]
}

function triggerProblems(
  { triggers }: DeclaredFunction,
  { name, triggers: actual }: ActualFunction,
  deploy: string,
): string[] {
  return triggers.flatMap((trigger) => {
    const fault = triggerFault(findTrigger(actual, trigger), trigger)
    return fault === undefined ? [] : [`trigger ${trigger.name} of ${name} ${fault}: ${deploy}`]
  })
}

interface Cures {
  deploy: string
  ops: (verb: string) => string
}

function insideProblems(inside: Facts['inside'], service: Service, tolerance: Tolerance, cures: Cures): string[] {
  if (inside === null) return []
  if ('fault' in inside) return [`the database could not be asked: ${inside.fault}`]
  if (!inside.migrated)
    return [
      `the database lacks migrations (${inside.missing.join(', ')}): npx serverless invoke --function migrate --stage ${service.stage}`,
    ]
  return [...tickProblems(inside, service, tolerance, cures), ...backlogProblems(inside, tolerance, cures)]
}

function tickProblems({ accounts }: Inside, service: Service, { ignore }: Tolerance, { ops }: Cures): string[] {
  if (accounts.length === 0) return [`no account was ever listed: ${ops('smoke')}`]
  const most = oldAfterSeconds(service)
  return accounts
    .filter(({ account }) => !ignore.includes(account))
    .flatMap(({ account, outcome, error, ageSeconds, goodAt }) => {
      const since = goodAt === null ? 'it never had a list' : `its last list is of ${goodAt}`
      if (ageSeconds === null || outcome === null) return [`account ${account} had no tick yet: ${ops('smoke')}`]
      const problems: string[] = []
      if (outcome === 'failed')
        problems.push(`the last tick of account ${account} failed (${error}); ${since}: ${ops('smoke')} says why`)
      if (most !== undefined && ageSeconds > most) {
        problems.push(
          `account ${account} had its last tick ${span(ageSeconds)} ago, more than ${span(most)}: ` +
            `${ops('logs')} --function reconcile; or, if it is watched no more, --ignore ${account}`,
        )
      }
      return problems
    })
}

/** How old the last tick may be; undefined where the calendar makes pauses, and nobody can tell. */
export function oldAfterSeconds({ functions }: Service): number | undefined {
  const timers = functions.flatMap(({ key, triggers }) => (key === 'reconcile' ? triggers : []))
  const gaps = timers.flatMap((trigger) => (trigger.type === 'timer' ? (longestGapSeconds(trigger.cron) ?? []) : []))
  if (gaps.length === 0) return undefined
  return Math.max(OLD_AFTER_INTERVALS * Math.min(...gaps), OLD_AFTER_SECONDS)
}

function backlogProblems({ backlog }: Inside, { backlogMinutes }: Tolerance, { ops }: Cures): string[] {
  const oldest = backlog?.oldestDue
  if (!oldest || oldest.ageSeconds <= backlogMinutes * 60) return []
  const { endpoint, ageSeconds, failingSince, holdUntil } = oldest
  const why =
    failingSince !== null
      ? `it fails since ${failingSince}: npx rollcall endpoint show ${endpoint}, and ask its owner`
      : holdUntil !== null
        ? `it asked for a pause until ${holdUntil}: ask its owner`
        : `it does not fail: ${ops('logs')} --function webhook`
  return [`endpoint ${endpoint} has waited ${span(ageSeconds)} for a delivery that is due; ${why}`]
}

/** Seconds as people say them. */
export function span(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} days`
}
