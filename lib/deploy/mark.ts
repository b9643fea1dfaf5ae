// What a deployment writes into descriptions, so that the next one knows what is there without a file of its own. SCF allows
// letters, digits, spaces, commas and full stops there. Pure.
import { createHash } from 'node:crypto'

/** One deployment: what it brought, and when it began. */
export interface Release {
  /** Of all that was deployed: the same contents are the same id. */
  id: string
  /** Such as 20261126T051011Z, by the clock of who deployed. */
  time: string
}

/** Written when a version is published; versions cannot be changed afterwards. */
export interface VersionMark {
  release: Release
  /** Of the code and the configuration of this version. */
  fingerprint: string
}

/** The beginning of a SHA-256 over texts, of which no two lists look alike. */
export function digest(texts: string[], length = 16): string {
  return createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, length)
}

/** Whose functions those of a service and stage are. */
export function ownerOf(service: string, stage: string): string {
  return digest([service, stage], 12)
}

/** The description of a function: whose it is, and which code it has, or that it may be any while new code is sent. */
export function functionMark(owner: string, codeSha256 = 'changing'): string {
  return `Rollcall ${owner}, code ${codeSha256}`
}

/** The owner and code of a description, or undefined when another hand wrote it. */
export function readFunctionMark(description: string | undefined): { owner: string; codeSha256: string } | undefined {
  const [, owner, codeSha256] = /^Rollcall ([0-9a-f]+), code ([0-9a-f]{64}|changing)$/.exec(description ?? '') ?? []
  return owner !== undefined && codeSha256 !== undefined ? { owner, codeSha256 } : undefined
}

/** The description of a published version. */
export function versionMark({ release, fingerprint }: VersionMark): string {
  return `Rollcall release ${release.id} at ${release.time}, contents ${fingerprint}`
}

/** What a version's description tells, or undefined when another hand published it. */
export function readVersionMark(description: string | undefined): VersionMark | undefined {
  const pattern = /^Rollcall release ([0-9a-f]+) at (\d{8}T\d{6}Z), contents ([0-9a-f]+)$/
  const [, id, time, fingerprint] = pattern.exec(description ?? '') ?? []
  return id && time && fingerprint ? { release: { id, time }, fingerprint } : undefined
}

/** A time as marks have it. */
export function timeOf(date: Date): string {
  return date.toISOString().replaceAll(/[-:]|\.\d+/g, '')
}

/** The next second after a time of a mark. */
export function timeAfter(time: string): string {
  const iso = time.replace(/^(\d{4})(\d\d)(\d\dT\d\d)(\d\d)(\d\dZ)$/, '$1-$2-$3:$4:$5')
  return timeOf(new Date(Date.parse(iso) + 1_000))
}
