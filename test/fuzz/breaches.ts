/** Collects what does not hold, so that one assertion shows all of it with the case. */
export function openBreaches() {
  const found: string[] = []
  const rule = (holds: boolean, what: string) => void (holds || found.push(what))
  return { found, rule }
}
