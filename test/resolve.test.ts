// A real DNS server on loopback says what names are, real sockets show who is connected to. The one double, at the network's
// rim, is the system's own resolver, which knows the hosts file and search domains: it answers from `system`.
import type * as Dns from 'node:dns'
import { networkInterfaces } from 'node:os'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { addressGuard } from '../lib/address.ts'
import { openPoster } from '../lib/post.ts'
import { checkEndpoint, guardedLookup } from '../lib/resolve.ts'
import { type NameAnswer, type NameServer, openNameServer, type Question } from './support/name-server.ts'
import { hasNodes, node18 } from './support/nodes.ts'
import { closePeers, listen, type Peer } from './support/peer.ts'
import { answered, DEADLINE_MS, OK, postTo } from './support/post-to.ts'
import { postInChild } from './support/posting-child.ts'

const system = vi.hoisted(() => ({
  asked: [] as string[],
  answer: (_name: string): Promise<string[]> => Promise.reject(new Error('nothing prepared')),
}))
vi.mock('node:dns', async (original) => {
  const dns = await original<typeof Dns>()
  const lookup = async (name: string) => {
    system.asked.push(name)
    const addresses = await system.answer(name)
    return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  }
  return { ...dns, promises: { ...dns.promises, lookup } }
})
const systemFails = (code: string) => async () => {
  throw Object.assign(new Error(code), { code, syscall: 'getaddrinfo' })
}

beforeEach(() => {
  system.asked = []
  system.answer = systemFails('ENOTFOUND')
})
const nameServers: NameServer[] = []
afterEach(async () => {
  closePeers()
  for (const server of nameServers.splice(0)) await server.close()
})

/** A DNS server that answers so, and a poster that asks it and may reach 127.0.0.1, not 127.0.0.2. */
async function world(answer: NameAnswer | ((question: Question) => NameAnswer), allowed = ['127.0.0.1/32']) {
  const dns = await openNameServer(typeof answer === 'function' ? answer : () => answer)
  nameServers.push(dns)
  return { dns, poster: openPoster(addressGuard(allowed), [dns.address]) }
}

const receiver = (host = '127.0.0.1', port = 0) => listen((socket) => socket.write(OK), { host, port })
/** For what comes at once where nothing else is at work. */
const WAIT = { timeout: 10_000 }
const urlAt = (peer: Peer, name = 'hook.example') => `http://${name}:${peer.port}/`
/** Whether 127.0.0.2 can be listened at: everywhere on Linux, and without it the tests that need it prove less. */
const trap = async (peer: Peer) => (process.platform === 'linux' ? receiver('127.0.0.2', peer.port) : undefined)
const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'))

const hundred = (address: string) => Array.from({ length: 100 }, () => address)

const FORBIDDEN: Record<string, NameAnswer> = {
  'one private address': ['127.0.0.2'],
  'a good address and then a bad one': ['127.0.0.1', '127.0.0.2'],
  'a bad address and then a good one': ['127.0.0.2', '127.0.0.1'],
  'a good IPv4 address and a bad IPv6 one': ['127.0.0.1', '::1'],
  'a good IPv4 address and a mapped bad one': ['127.0.0.1', '::ffff:7f00:2'],
  'a bad IPv6 address only': ['fd00::1'],
  'a metadata service': ['169.254.169.254'],
  'an alias of a private address': ['inside.example', '127.0.0.2'],
  'a chain of aliases that ends at one': ['a.example', 'b.example', 'c.example', 'd.example', '127.0.0.2'],
  'an alias with a good address and a bad one': ['inside.example', '127.0.0.1', '127.0.0.2'],
  // More than fits in UDP: the resolver asks again on TCP.
  'a hundred good addresses and a bad one': [...hundred('127.0.0.1'), '127.0.0.2'],
}

describe('a name', () => {
  it('is connected to when all that it resolves to is allowed, in both families', async () => {
    const peer = await receiver()
    const { dns, poster } = await world(['127.0.0.1'])

    expect(await postTo(urlAt(peer), poster)).toEqual(answered(200))
    expect(dns.asked.map(({ type }) => type).sort()).toEqual(['A', 'AAAA'])
    expect(system.asked).toEqual([])
  })

  it.each(Object.entries(FORBIDDEN))(
    'that resolves to %s is refused, and nobody is connected to',
    async (_, answer) => {
      const peer = await receiver()
      const other = await trap(peer)
      const { poster } = await world(answer)

      expect(await postTo(urlAt(peer), poster, 3_000)).toEqual({ kind: 'forbidden_address' })
      expect([peer.connections, other?.connections ?? 0]).toEqual([0, 0])
      expect(system.asked).toEqual([])
    },
  )

  it.each([
    ['aliases', ['a.example', 'b.example', '127.0.0.1']],
    ['a hundred addresses', hundred('127.0.0.1')],
  ])('of %s that lead to a good one is connected to', async (_, answer) => {
    const peer = await receiver()
    const { poster } = await world(answer)

    expect(await postTo(urlAt(peer), poster, 3_000)).toEqual(answered(200))
  })

  it.skipIf(!hasIpv6)('that has IPv6 addresses only is connected to there', async () => {
    const peer = await receiver('::1')
    const { poster } = await world(['::1'], ['::1/128'])

    expect(await postTo(urlAt(peer), poster)).toEqual(answered(200))
  })

  it('whose servers answer for one family only is connected to there', async () => {
    const peer = await receiver()
    const { poster } = await world(({ type }) => (type === 'A' ? ['127.0.0.1'] : 'server failure'))

    expect(await postTo(urlAt(peer), poster)).toEqual(answered(200))
  })

  it('is asked for again for every new connection, and what was checked is what is connected to', async () => {
    const peer = await listen((socket, count) => (count > 1 ? socket.end(OK) : socket.write(OK)))
    const other = await trap(peer)
    // Good for the first look, another one for any that follows.
    const { dns, poster } = await world(({ count }) => (count === 1 ? ['127.0.0.1'] : ['127.0.0.2']))

    const first = await postTo(urlAt(peer), poster)
    const kept = await postTo(urlAt(peer), poster)
    await vi.waitFor(() => expect(Object.keys(poster.agents['http:'].freeSockets)).toEqual([]), WAIT)
    const anew = await postTo(urlAt(peer), poster)

    expect([first, kept, anew]).toEqual([answered(200), answered(200), { kind: 'forbidden_address' }])
    expect([peer.connections, other?.connections ?? 0]).toEqual([1, 0])
    expect(dns.asked.filter(({ type }) => type === 'A')).toHaveLength(2)
  })

  it('that turns bad while another connection to it is open gets no second one', async () => {
    const silent = await listen(() => undefined)
    const { poster } = await world(({ count }) => (count === 1 ? ['127.0.0.1'] : ['127.0.0.2']))

    const open = postTo(urlAt(silent), poster, 4_000)
    await vi.waitFor(() => expect(silent.connections).toBe(1), WAIT)
    const second = await postTo(urlAt(silent), poster, 4_000)

    expect([await open, second]).toEqual([{ kind: 'timeout' }, { kind: 'forbidden_address' }])
    expect(silent.connections).toBe(1)
  })

  it('with a hundred addresses gives four of each family to try, IPv4 first', async () => {
    const { dns } = await world(({ type }) =>
      hundred('').map((_, i) => (type === 'A' ? `8.8.8.${i}` : `2606:4700:0:0:0:0:0:${i + 1}`)),
    )
    const lookup = guardedLookup(addressGuard([]), [dns.address])
    const ask = (all: boolean) => new Promise((resolve) => lookup('hook.example', { all }, (...got) => resolve(got)))

    const [all, first] = await Promise.all([ask(true), ask(false)])

    const four = [0, 1, 2, 3].map((i) => ({ address: `8.8.8.${i}`, family: 4 }))
    const six = [0, 1, 2, 3].map((i) => ({ address: `2606:4700::${i + 1}`, family: 6 }))
    expect(all).toEqual([null, [...four, ...six]])
    expect(first).toEqual([null, '8.8.8.0', 4])
  })
})

describe('a name that DNS gives no address for', () => {
  it.each<[string, NameAnswer, string[]]>([
    ['because there is none such', 'no such name', ['hook.example']],
    ['because it has other records only', [], ['hook.example']],
    ['because its servers fail', 'server failure', []],
  ])('%s is dns_failed; only a name that does not exist is asked of the system', async (_, answer, asked) => {
    const { poster } = await world(answer)

    expect(await postTo('http://hook.example/', poster, 5_000)).toEqual({ kind: 'dns_failed' })
    expect(system.asked).toEqual(asked)
  })

  it('because nobody answers is a timeout at the deadline, and the system is not asked', async () => {
    const { poster } = await world('silence')

    expect(await postTo('http://hook.example/', poster, DEADLINE_MS)).toEqual({ kind: 'timeout' })
    expect(system.asked).toEqual([])
  })

  it.each([
    ['127.0.0.1', answered(200), 1],
    ['127.0.0.2', { kind: 'forbidden_address' }, 0],
    ['169.254.169.254', { kind: 'forbidden_address' }, 0],
  ])('but that the hosts file says is %s is guarded in the same way', async (address, outcome, connections) => {
    const peer = await receiver()
    const { poster } = await world('no such name')
    system.answer = async () => ['127.0.0.1', address]

    expect(await postTo(urlAt(peer), poster)).toEqual(outcome)
    expect(peer.connections).toBe(connections)
  })

  it('delays no other: neither twenty that nobody answers for, nor twenty that the system hangs at', async () => {
    const peer = await receiver()
    const answers = { quiet: 'silence', denied: 'no such name', hook: ['127.0.0.1'] } as const
    const { dns, poster } = await world(({ name }) => answers[name.split('.')[1] as keyof typeof answers])
    let letGo = () => {}
    const hanging = new Promise<string[]>((resolve) => (letGo = () => resolve(['127.0.0.2'])))
    system.answer = () => hanging
    const ended: unknown[] = []
    const names = Array.from({ length: 20 }, (_, i) => [`n${i}.quiet.example`, `n${i}.denied.example`]).flat()
    const posts = names.map(async (name) => {
      const outcome = await postTo(urlAt(peer, name), poster, 3_000)
      ended.push(outcome)
    })
    await vi.waitFor(() => expect(new Set(dns.asked.map(({ name }) => name)).size).toBe(40), WAIT)

    const outcome = await postTo(urlAt(peer, 'the.hook.example'), poster, 2_500)

    expect([outcome, ended]).toEqual([answered(200), []])
    // Each would hold one of the few threads that every other name of the process needs.
    expect(system.asked).toHaveLength(1)
    await Promise.all(posts)
    letGo()
    expect(ended).toEqual(names.map(() => ({ kind: 'timeout' })))
  })
})

describe('a name that waits for its turn at the system', () => {
  it('is not asked for once nobody can be waiting for it any more', async () => {
    let letGo = () => {}
    const hanging = new Promise<string[]>((resolve) => (letGo = () => resolve([])))
    system.answer = () => hanging
    const { poster } = await world('no such name')
    await Promise.all(['a', 'b'].map((name) => postTo(`http://${name}.example/`, poster, 1_000)))

    const later = performance.now() + 15_001
    vi.spyOn(performance, 'now').mockReturnValue(later)
    letGo()
    const outcome = await postTo('http://c.example/', poster, 2_000)
    vi.restoreAllMocks()

    expect(outcome).toEqual({ kind: 'forbidden_address' })
    expect(system.asked).toEqual([system.asked[0], 'c.example'])
  })
})

describe('a machine without a DNS server', () => {
  const nowhere = async () => {
    const { dns, poster } = await world('silence')
    await nameServers.pop()?.close()
    return { dns, poster }
  }

  // Without files left to open, the system says that a name does not exist.
  it.each(['EAI_AGAIN', 'ENOTFOUND'])('has its own trouble, not the endpoint (%s)', async (code) => {
    const { poster } = await nowhere()
    system.answer = systemFails(code)

    expect(await postTo('http://hook.example/', poster, 5_000)).toEqual({ kind: 'local_fault' })
  })

  it('still reaches what its hosts file names', async () => {
    const peer = await receiver()
    const { poster } = await nowhere()
    system.answer = async () => ['127.0.0.1']

    expect(await postTo(urlAt(peer), poster, 5_000)).toEqual(answered(200))
  })

  it('is not what a name looks like that is denied first and fails then', async () => {
    const { poster } = await world('no such name')
    system.answer = systemFails('EAI_AGAIN')

    expect(await postTo('http://hook.example/', poster)).toEqual({ kind: 'dns_failed' })
  })
})

describe('localhost and every name under it', () => {
  it.each(['localhost', 'LOCALHOST.', 'a.localhost', 'a.b.localhost.'])('as %s is loopback, unasked', async (name) => {
    const peer = await receiver()
    const { dns, poster } = await world(['8.8.8.8'])

    expect(await postTo(urlAt(peer, name), poster)).toEqual(answered(200))
    expect([dns.asked, system.asked]).toEqual([[], []])
  })

  it.each(['localhost', 'a.localhost'])('as %s is refused when loopback is not allowed', async (name) => {
    const peer = await receiver()
    const { poster } = await world(['127.0.0.1'], [])

    expect(await postTo(urlAt(peer, name), poster)).toEqual({ kind: 'forbidden_address' })
    expect(peer.connections).toBe(0)
  })

  it('is not what a name that only looks like it is', async () => {
    const { dns, poster } = await world(['127.0.0.2'])

    expect(await postTo('http://notlocalhost/', poster)).toEqual({ kind: 'forbidden_address' })
    expect(dns.asked.map(({ name }) => name)).toEqual(['notlocalhost', 'notlocalhost'])
  })
})

describe.each([['this Node', undefined] as const, ...(hasNodes ? [['Node 18.15', node18] as const] : [])])(
  'on %s',
  (_, path) => {
    const inChild = async (dns: NameServer, url: string, allowed: string[]) => {
      const node = await path?.()
      return postInChild({ url, allowed, dnsServers: [dns.address], ...(node !== undefined && { node }) })
    }

    it('a name with addresses of both families is connected to', async () => {
      const peer = await receiver()
      const { dns } = await world(['127.0.0.1', '::1'])

      expect(await inChild(dns, urlAt(peer), ['127.0.0.1/32', '::1/128'])).toEqual(answered(200))
      expect(await inChild(dns, urlAt(peer), ['127.0.0.1/32'])).toEqual({ kind: 'forbidden_address' })
      expect(peer.connections).toBe(1)
    })

    it.skipIf(!hasIpv6)('a name with IPv6 addresses only is connected to', async () => {
      const peer = await receiver('::1')
      const { dns } = await world(['::1'])

      expect(await inChild(dns, urlAt(peer), ['::1/128'])).toEqual(answered(200))
    })

    it.skipIf(!hasIpv6 || path !== undefined)('a name is connected to in the family that answers', async () => {
      const peer = await receiver('::1')
      const { dns } = await world(['127.0.0.1', '::1'])

      expect(await inChild(dns, urlAt(peer), ['127.0.0.1/32', '::1/128'])).toEqual(answered(200))
    })
  },
)

describe('checkEndpoint', () => {
  const open = addressGuard(['127.0.0.1/32'])

  it.each(Object.entries(FORBIDDEN))('refuses a name that resolves to %s, and tells no address', async (_, answer) => {
    const { dns } = await world(answer)

    const refused = checkEndpoint(open, 'https://hook.example/x', [dns.address])

    await expect(refused).rejects.toMatchObject({
      name: 'AppError',
      code: 'input_invalid',
      message:
        'this URL cannot be an endpoint: its name resolves to a private or reserved address; ' +
        'WEBHOOK_ALLOW can open a private range, such as 10.1.0.0/16',
    })
  })

  it.each<[string, NameAnswer]>([
    ['is allowed', ['127.0.0.1']],
    ['does not exist yet', 'no such name'],
    ['has servers that fail', 'server failure'],
  ])('takes a name that %s', async (_, answer) => {
    const { dns } = await world(answer)

    expect(await checkEndpoint(open, 'HTTPS://Hook.Example:443/x#y', [dns.address])).toBe('https://hook.example/x')
  })

  it('takes a name whose servers are silent, on UDP or on TCP, and does not wait for them for ever', async () => {
    const { dns } = await world(({ name, isTcp }) =>
      name === 'tcp.example' && !isTcp ? hundred('127.0.0.1') : 'silence',
    )
    const startedAt = performance.now()

    const kept = await Promise.all(
      ['https://udp.example/', 'https://tcp.example/'].map((url) => checkEndpoint(open, url, [dns.address])),
    )

    expect(kept).toEqual(['https://udp.example/', 'https://tcp.example/'])
    expect(performance.now() - startedAt).toBeLessThan(10_000)
    expect(dns.asked.some(({ isTcp }) => isTcp)).toBe(true)
    expect(system.asked).toEqual([])
  })

  it('refuses what endpointUrl refuses, and asks nobody about it or about a literal address', async () => {
    const { dns } = await world(['127.0.0.1'])
    const check = (text: string) => checkEndpoint(open, text, [dns.address])

    await expect(check('https://user@hook.example/')).rejects.toThrow(/user name or password/)
    await expect(check('ftp://hook.example/')).rejects.toThrow(/neither https/)
    await expect(check('http://0x7f.2/')).rejects.toThrow(/private or reserved/)
    expect(await check('http://127.1/')).toBe('http://127.0.0.1/')
    expect(await check('http://a.localhost/')).toBe('http://a.localhost/')
    expect([dns.asked, system.asked]).toEqual([[], []])
  })
})
