/** A file of the page. */
export interface Asset {
  type: string
  body: string
  /** Its name has the hash of what is in it. */
  immutable: boolean
}

/** The page's files by their paths. Every bundle has those that lib/deploy/page.ts makes of lib/console/page in place of none. */
export const assets: Readonly<Record<string, Asset>> = {}
