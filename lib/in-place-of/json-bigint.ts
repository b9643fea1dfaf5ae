// In the bundles, in place of the package json-bigint, 25 KB with the numbers it brings: the Tencent SDK writes requests with it,
// and reads answers with Node's own JSON. Nothing we send has a big integer; one that had would be refused, not rounded.

/** Node's own JSON, as the SDK asks for it. */
export default () => JSON
