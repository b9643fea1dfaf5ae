/** What a claimed delivery says of how it may be sent. */
interface Batchable {
  endpointId: string
  position: number
  attempt: number
  batchSize: number
}

/**
 * The POSTs that carry the claimed deliveries, each of one endpoint: as many events in one as it takes, in order of position.
 * What was tried before goes alone: a batch that was refused must show which of its events is the one.
 */
export function postsOf<Claim extends Batchable>(claims: readonly Claim[]): [Claim, ...Claim[]][] {
  const posts: [Claim, ...Claim[]][] = []
  const filling = new Map<string, [Claim, ...Claim[]]>()
  for (const claim of [...claims].sort((a, b) => a.position - b.position)) {
    const post = filling.get(claim.endpointId)
    if (claim.attempt === 1 && post && post.length < claim.batchSize) {
      post.push(claim)
      continue
    }
    const started: [Claim, ...Claim[]] = [claim]
    posts.push(started)
    if (claim.attempt === 1) filling.set(claim.endpointId, started)
  }
  return posts
}
