// In the bundles, in place of the package uuid, which is older than Node's own: the Tencent SDK names each request with it.

/** A random UUID (RFC 9562, version 4). */
export { randomUUID as v4 } from 'node:crypto'
