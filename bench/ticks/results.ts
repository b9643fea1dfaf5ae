// What was measured of ticks, as a table, as ratios with their targets, and as a chart.
import { lineChart, type Series } from '../chart.ts'
import type { Report } from '../main.ts'
import { type Ratio, ratioOf } from '../ratio.ts'
import { median, rounded } from '../statistics.ts'
import type { Name } from './contestant.ts'
import type { Cost } from './cost.ts'
import type { Floors } from './floors.ts'
import { type Case, type Share, SHARES } from './rounds.ts'

type Row = Report['table'][string]

const NAMES: Record<Name, string> = {
  rollcall: 'Rollcall',
  'dbt-style': 'dbt-style snapshot',
  'change by change': 'a statement per change',
  'row by row': 'an upsert per session',
}
const FLOORS: Record<keyof Floors, string> = {
  read: 'floor: the listing had and read',
  parse: 'floor: JSON.parse',
  digest: 'floor: digest',
  copy: 'floor: COPY of the listing',
  update: 'floor: a row updated and committed',
  empty: 'floor: begin and commit',
}

/** A row for each that was compared, in each case; times are medians over the rounds. */
export function tableOf(cases: Case[]): Report['table'] {
  const rows: [string, Row][] = []
  for (const one of cases) {
    const title = titleOf(one)
    for (const name of Object.keys(NAMES) as Name[]) {
      const costs = one.costs[name]
      rows.push([`${title}: ${NAMES[name]}`, costs ? costRow(costs) : { ms: 'skipped: takes half a minute or more' }])
    }
    if (one.share > 0) continue
    for (const floor of Object.keys(FLOORS) as (keyof Floors)[]) {
      rows.push([`${title}: ${FLOORS[floor]}`, timesRow(one.floors.map((floors) => floors[floor]))])
    }
  }
  return Object.fromEntries(rows)
}

const titleOf = ({ size, share }: Case) => `${size.toLocaleString('en')}, ${share * 100} %`

function costRow(costs: Cost[]): Row {
  const middle = (key: Exclude<keyof Cost, 'events'>) => median(costs.map((cost) => cost[key]))
  return {
    ...timesRow(costs.map(({ ms }) => ms)),
    'of it asking': rounded(middle('askedMs')),
    'round trips': middle('roundTrips'),
    rows: middle('rows'),
    'WAL bytes': middle('walBytes'),
    'whole pages in it': middle('walPages'),
    'peak MB': Math.round(middle('peakBytes') / 1e6),
  }
}

function timesRow(ms: number[]): Row {
  return {
    ms: rounded(median(ms)),
    lowest: rounded(Math.min(...ms)),
    highest: rounded(Math.max(...ms)),
    rounds: ms.length,
  }
}

/** Those of the sizes that were measured. */
export function ratiosOf(cases: Case[]): Ratio[] {
  const of = (size: number, share: Share) => cases.find((one) => one.size === size && one.share === share)
  const each = (one: Case, name: Name, key: Exclude<keyof Cost, 'events'>) =>
    (one.costs[name] ?? []).map((cost) => cost[key])
  const ratios: Ratio[] = []

  const [unchanged, little, much] = SHARES.map((share) => of(10_000, share))
  if (unchanged && little && much) {
    const floor = unchanged.floors.map(({ parse, digest, update }) => parse + digest + update)
    const rowByRow = each(little, 'row by row', 'ms')
    const walOfLittle = each(little, 'rollcall', 'walBytes').map((bytes) => bytes * 10)
    ratios.push(
      ratioOf('10,000, 0 %: Rollcall / (parse + digest + a row committed)', each(unchanged, 'rollcall', 'ms'), floor, {
        atMost: 1.5,
      }),
      { name: '10,000, 0 %: round trips', values: each(unchanged, 'rollcall', 'roundTrips'), target: { atMost: 2 } },
      { name: '10,000, 0 %: WAL bytes', values: each(unchanged, 'rollcall', 'walBytes'), target: { atMost: 1_024 } },
      ratioOf('10,000, 1 %: an upsert per session / Rollcall', rowByRow, each(little, 'rollcall', 'ms'), {
        atLeast: 30,
      }),
      ratioOf('10,000, 1 %: dbt-style / Rollcall', each(little, 'dbt-style', 'ms'), each(little, 'rollcall', 'ms'), {
        atLeast: 2,
      }),
      ratioOf('10,000: WAL of 10 % / ten times that of 1 %', each(much, 'rollcall', 'walBytes'), walOfLittle, {
        atMost: 1.3,
      }),
    )
  }
  const [largeUnchanged, large] = SHARES.map((share) => of(100_000, share))
  if (large) {
    const name = '100,000, 1 %: dbt-style / Rollcall'
    ratios.push(ratioOf(name, each(large, 'dbt-style', 'ms'), each(large, 'rollcall', 'ms'), { atLeast: 3 }))
  }
  for (const [floored, one, atLeast] of [
    [unchanged, little, 2],
    [largeUnchanged, large, 3],
  ] as const) {
    if (!floored || !one) continue
    const name = `${titleOf(one)}: the same once the listing is read, without asking why sessions ended`
    const own = (peer: Name) =>
      (one.costs[peer] ?? []).map(({ ms, askedMs }, round) => ms - askedMs - (floored.floors[round]?.read ?? NaN))
    ratios.push(ratioOf(name, own('dbt-style'), own('rollcall'), { atLeast }))
  }
  return ratios
}

/** The time of a tick over the number of sessions. */
export function chartOf(cases: Case[]): Promise<string> {
  const line = (name: string, share: Share, timesOf: (one: Case) => number[]): Series => ({
    name,
    points: cases
      .filter((one) => one.share === share && timesOf(one).length > 0)
      .map((one) => [one.size, median(timesOf(one))]),
  })
  const ofCosts = (name: Name) => (one: Case) => (one.costs[name] ?? []).map(({ ms }) => ms)
  const ofFloors = ({ floors }: Case) => floors.map(({ parse, digest, update }) => parse + digest + update)
  return lineChart({
    title: 'Time of a tick when 1 % of the sessions changed',
    x: { name: 'sessions listed', scale: 'log' },
    y: { name: 'milliseconds (median)', scale: 'log' },
    series: [
      ...(Object.keys(NAMES) as Name[]).map((name) => line(NAMES[name], 0.01, ofCosts(name))),
      line('Rollcall, nothing changed', 0, ofCosts('rollcall')),
      line('floor: parse, digest, a row committed', 0, ofFloors),
    ],
  })
}
