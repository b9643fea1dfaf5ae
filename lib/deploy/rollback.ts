// Back to what was live before: the default alias of each function points to an older version again. The tables stay as they
// are (old code runs beside the new schema), and so do triggers, which versions do not have.
import { AppError } from '../errors.ts'
import { type Cloud, LIVE } from '../tencent.ts'
import type { ActualFunction } from './actual.ts'
import type { Release } from './mark.ts'
import { scf } from './scf.ts'

/** One release and the version each function had with it, by the function's name. */
export interface ReleaseState {
  release: Release
  versions: Record<string, string>
  isLive: boolean
}

/** The alias of a function that moves. */
export interface Move {
  name: string
  from: string
  to: string
  reservedMemoryMb: number | null
}

/** Every release there was, the oldest first. A function that a release did not change had its version of before. Pure. */
export function releasesOf(functions: ActualFunction[]): ReleaseState[] {
  const releases = new Map<string, Release>()
  for (const { release } of functions.flatMap(({ versions }) => versions)) releases.set(release.time, release)
  return [...releases.values()]
    .sort((a, b) => (a.time < b.time ? -1 : 1))
    .map((release) => {
      const had = functions.flatMap(({ name, versions }) => {
        const version = versions.filter((one) => one.release.time <= release.time).at(-1)?.version
        return version === undefined ? [] : [[name, version] as const]
      })
      const isLive = functions.every(({ name, live }) => had.some(([one, version]) => one === name && version === live))
      return { release, versions: Object.fromEntries(had), isLive }
    })
}

/**
 * What moves for the release of that time to be live; without a time, the one before the live one. Throws `input_invalid`
 * when there is no such release. Pure.
 */
export function planRollback(
  functions: ActualFunction[],
  time: string | undefined,
): { release: Release; moves: Move[] } {
  const releases = releasesOf(functions)
  const times = releases.map(({ release }) => release.time).join(', ') || 'none'
  const live = releases.map(({ isLive }) => isLive).lastIndexOf(true)
  const target = time === undefined ? releases[live - 1] : releases.find(({ release }) => release.time === time)
  if (target === undefined) {
    const why =
      time !== undefined
        ? `there is no release ${time}`
        : live === -1
          ? 'what is live is of several releases: say which to go back to with --timestamp'
          : 'there is no release before the one that is live'
    throw new AppError('input_invalid', `${why}; releases: ${times}`)
  }
  const moves = functions.flatMap(({ name, live: from, reservedMemoryMb }) => {
    const to = target.versions[name]
    return to === undefined || to === from ? [] : [{ name, from, to, reservedMemoryMb }]
  })
  return { release: target.release, moves }
}

/**
 * Moves the alias of a function; at once, and whole. What is kept for it is raised first, if so many instances of that version
 * would not find room in it: it could not run at all.
 */
export async function move(cloud: Cloud, { name, to, reservedMemoryMb }: Move, instances = 1): Promise<void> {
  const { MemorySize = 0 } = await scf(cloud, 'GetFunction', { FunctionName: name, Qualifier: to })
  const neededMb = MemorySize * instances
  if (reservedMemoryMb !== null && reservedMemoryMb < neededMb) {
    await scf(cloud, 'PutReservedConcurrencyConfig', { FunctionName: name, ReservedConcurrencyMem: neededMb })
  }
  await scf(cloud, 'UpdateAlias', { FunctionName: name, Name: LIVE, FunctionVersion: to })
}
