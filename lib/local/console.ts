// The console on this machine: the same application as in the cloud, behind Node's own server on loopback.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import type { Tokens } from '../console/access.ts'
import { openConsole, type ConsoleOptions } from '../console/app.ts'
import { assets } from '../console/assets.ts'

/** Serves it at that port of loopback, or at a free one. `link` opens it once, in one browser; `tokens` open it, too. */
export async function serveConsole({
  tokens,
  port = 0,
  ...options
}: Omit<ConsoleOptions, 'onceCode' | 'assets' | 'tokens'> & { tokens?: Tokens; port?: number }): Promise<{
  link: string
  url: string
  close: () => Promise<void>
}> {
  const onceCode = randomBytes(24).toString('base64url')
  // What signs the cookie of the link: nobody is ever told it.
  const own = randomBytes(32).toString('hex')
  const { read, write } = tokens ?? { read: [], write: [] }
  const answer = openConsole({ ...options, tokens: { read, write: [own, ...write] }, onceCode, assets })
  const server = createAdaptorServer({
    fetch: (request, env) => {
      const { socket } = (env as { incoming: IncomingMessage }).incoming
      return answer(request, { address: socket.remoteAddress ?? '' })
    },
  }) as Server
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    link: `${url}/login?once=${onceCode}`,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
