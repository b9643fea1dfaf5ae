// Headers of their own that endpoints may want, such as `authorization`. They must never change what a message says, how
// long it is, or where it goes.

const MOST = 20
const MOST_BYTES = 4_096

/** Ours, and those by which a request could be cut in two, held open or sent elsewhere (RFC 9110, 7.6.1; RFC 9112). */
const REFUSED =
  /^(host|content-.*|transfer-encoding|te|trailer|connection|keep-alive|upgrade|expect|proxy-.*|accept-encoding|http2-settings|webhook-.*)$/

/** What is wrong with headers by name, in words for whoever set them; never a value. Undefined when nothing is. */
export function headerFault(headers: Readonly<Record<string, string>>): string | undefined {
  const entries = Object.entries(headers)
  if (entries.length > MOST) return `there are ${entries.length} headers, at most ${MOST} can be sent`
  const bytes = entries.reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0)
  if (bytes > MOST_BYTES) return `the headers have ${bytes} bytes, at most ${MOST_BYTES} can be sent`
  for (const [name, value] of entries) {
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) return 'the name of a header has a character that no header can have'
    if (REFUSED.test(name)) return `the header ${name} cannot be set: it is Rollcall's own, or would change the request`
    if (!/^[\x20-\x7e]*$/.test(value) || value !== value.trim()) {
      return `the value of ${name} has characters other than printable ASCII, or begins or ends with a space`
    }
  }
  return undefined
}
