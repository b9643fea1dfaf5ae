// The sample subscriber of `npm start`: what a user's own receiver would do, in its smallest form. It verifies with the
// published Standard Webhooks library, so it shares nothing with the code that signs.
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'

/** An event as its body has it, as far as the sample shows it. */
export interface ReceivedEvent {
  id: string
  type: string
  subject: string
  data: {
    /** Events about Rollcall itself, a ping too, have none. */
    session?: { userId: string | null; status: string }
    reason: string | null
    error: { code: number; message: string } | null
  }
}

const MAX_BODY_BYTES = 256 * 1024

/** A receiver on loopback. `onEvent` gets each verified event once; `onRefused` what did not verify. */
export async function startSubscriber(options: {
  secrets: () => Promise<string[]>
  onEvent: (event: ReceivedEvent) => void
  onRefused: (why: string) => void
}): Promise<{ url: string; close: () => Promise<void> }> {
  const seen = new Set<string>()
  const server = createServer((request, response) => {
    void receive(request)
      .then(async (body) => {
        const event = verify(body, request.headers as Record<string, string>, await options.secrets())
        if (!seen.has(event.id)) options.onEvent(event)
        seen.add(event.id)
        response.writeHead(204).end()
      })
      .catch((error: unknown) => {
        options.onRefused(error instanceof Error ? error.message : 'unreadable')
        response.writeHead(401).end()
      })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/events`,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

function verify(body: string, headers: Record<string, string>, secrets: string[]): ReceivedEvent {
  let refusal: unknown = new Error('there is no secret to verify with')
  for (const secret of secrets) {
    try {
      return new Webhook(secret).verify(body, headers) as ReceivedEvent
    } catch (error) {
      refusal = error
    }
  }
  throw refusal
}

async function receive(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_BODY_BYTES) throw new Error('the body is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
