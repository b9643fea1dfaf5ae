/** A file of the page. */
export interface Asset {
  type: string
  body: string
  /** Its name has the hash of what is in it. */
  immutable: boolean
}

/** The page's files by their paths. None here: lib/deploy/page.ts puts the built page in their place in every bundle. */
export const assets: Readonly<Record<string, Asset>> = {}
