import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import DNS from 'dns2'

/** What a question is answered with: addresses and names of CNAMEs in their order, a failure, or nothing at all. */
export type NameAnswer = readonly string[] | 'no such name' | 'server failure' | 'silence'

/** A question that came in: `count` counts those for the same name and type, from 1. */
export interface Question {
  name: string
  type: 'A' | 'AAAA'
  count: number
  /** Whether it came over TCP, where an answer too long for UDP is fetched. */
  isTcp: boolean
}

export interface NameServer {
  /** As a resolver takes it: `127.0.0.1:port`. */
  address: string
  asked: Question[]
  close(): Promise<void>
}

const { A, AAAA, CNAME } = DNS.Packet.TYPE
const CODE = { 'no such name': 3, 'server failure': 2 }

/** A real DNS server on loopback, on UDP and TCP, which answers as `answer` says. */
export async function openNameServer(answer: (question: Question) => NameAnswer): Promise<NameServer> {
  const asked: Question[] = []
  const handle = (isTcp: boolean) => (request: DNS.Packet, send: (response: DNS.Packet) => unknown) => {
    const [{ name, type: number } = { name: '', type: 0 }] = request.questions
    const type = number === A ? 'A' : 'AAAA'
    const count = asked.filter((one) => one.name === name && one.type === type && one.isTcp === isTcp).length + 1
    const question = { name, type, count, isTcp } as const
    asked.push(question)
    const said = answer(question)
    if (said === 'silence') return
    const response = DNS.Packet.createResponseFromRequest(request)
    if (typeof said === 'string') response.header.rcode = CODE[said]
    else response.answers.push(...records(name, number, said))
    send(response)
  }
  const { udp, tcp, port } = await listen(handle)
  const sockets = new Set<{ destroy(): unknown }>()
  tcp.on('connection', (socket: { destroy(): unknown }) => void sockets.add(socket))
  return {
    address: `127.0.0.1:${port}`,
    asked,
    close: async () => {
      const closed = [once(udp, 'close'), once(tcp, 'close')]
      udp.close()
      tcp.close()
      for (const socket of sockets) socket.destroy()
      await Promise.all(closed)
    },
  }
}

/** One port for both; on the rare one that is free on TCP and taken on UDP, again. */
async function listen(handle: (isTcp: boolean) => DNS.DnsHandler) {
  for (;;) {
    const tcp = DNS.createTCPServer(handle(true)).listen(0, '127.0.0.1')
    await once(tcp, 'listening')
    const { port } = tcp.address() as AddressInfo
    const udp = DNS.createUDPServer(handle(false))
    udp.bind(port, '127.0.0.1')
    try {
      await once(udp, 'listening')
      return { udp, tcp, port }
    } catch {
      tcp.close()
    }
  }
}

/** A name among the answers is a CNAME, and what follows belongs to it; addresses of the other family are left out. */
function records(asked: string, number: number, answers: readonly string[]): DNS.Packet.Resource[] {
  let name = asked
  return answers.flatMap((one) => {
    const type = one.includes(':') ? AAAA : /^[\d.]+$/.test(one) ? A : CNAME
    // They may be kept for long, so that a resolver that keeps them is told from one that asks again.
    const record = new DNS.Packet.Resource(name, type, 1, 3_600)
    if (type === CNAME) name = one
    if (type !== CNAME && type !== number) return []
    return [Object.assign(record, type === CNAME ? { domain: one } : { address: one })]
  })
}
