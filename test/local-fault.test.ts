// Trouble of our own machine or network is not the endpoint's. The double stands where Node asks the operating system: in the
// binding that connects sockets, which fails as the system would; the last test has a process without files left instead.
import { constants } from 'node:os'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { addressGuard } from '../lib/address.ts'
import { openPoster } from '../lib/post.ts'
import { openNameServer, type NameServer } from './support/name-server.ts'
import { closePeers, listen } from './support/peer.ts'
import { answered, OK, postTo } from './support/post-to.ts'
import { postInChild } from './support/posting-child.ts'

type Code = keyof typeof constants.errno
type Connect = (request: unknown, address: string, port: number) => number
const { prototype } = (
  Reflect.get(process, 'binding') as (name: string) => { TCP: { prototype: { connect: Connect; connect6: Connect } } }
).call(process, 'tcp_wrap').TCP
const real = { connect: prototype.connect, connect6: prototype.connect6 }

/** Makes every connect fail so, in each family. */
function failConnects(ipv4: Code, ipv6: Code = ipv4): void {
  prototype.connect = () => -constants.errno[ipv4]
  prototype.connect6 = () => -constants.errno[ipv6]
}

let dns: NameServer
beforeEach(async () => {
  dns = await openNameServer(({ name, type }) =>
    name === 'six.example' && type === 'A' ? [] : ['8.8.8.8', '8.8.4.4', '2606:4700::1'],
  )
})
afterEach(async () => {
  Object.assign(prototype, real)
  closePeers()
  await dns.close()
})

const outcomeAt = (host: string) => postTo(`http://${host}/`, openPoster(addressGuard([]), [dns.address]), 5_000)

const OURS: Code[] = ['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'EADDRNOTAVAIL', 'ENETDOWN', 'ENETUNREACH']
const THEIRS: Code[] = ['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EHOSTUNREACH', 'EACCES', 'EPERM']

describe('a connect that fails', () => {
  it.each(OURS)('with %s is our own fault, at an address and at a name with several', async (code) => {
    failConnects(code)

    const outcomes = await Promise.all(['8.8.8.8', 'all.example'].map(outcomeAt))

    expect(outcomes).toEqual([{ kind: 'local_fault' }, { kind: 'local_fault' }])
  })

  it.each(THEIRS)('with %s is connect_failed', async (code) => {
    failConnects(code)

    const outcomes = await Promise.all(['8.8.8.8', 'all.example'].map(outcomeAt))

    expect(outcomes).toEqual([{ kind: 'connect_failed' }, { kind: 'connect_failed' }])
  })

  it.each<[Code, Code]>([
    ['ECONNREFUSED', 'ENETUNREACH'],
    ['ENETUNREACH', 'ECONNREFUSED'],
    ['ECONNREFUSED', 'EMFILE'],
  ])('with %s at IPv4 and %s at IPv6 is connect_failed: one address was reached', async (ipv4, ipv6) => {
    failConnects(ipv4, ipv6)

    expect(await outcomeAt('all.example')).toEqual({ kind: 'connect_failed' })
  })

  it.each<[Code, string]>([
    ['ENETUNREACH', 'connect_failed'],
    ['EADDRNOTAVAIL', 'connect_failed'],
    ['EMFILE', 'local_fault'],
  ])('with %s at an endpoint with IPv6 only is %s: a machine may have none for good', async (code, kind) => {
    failConnects(code)

    const outcomes = await Promise.all(['[2606:4700::1]', 'six.example'].map(outcomeAt))

    expect(outcomes).toEqual([{ kind }, { kind }])
  })
})

describe.skipIf(process.platform === 'win32')('a process that can open no more files', () => {
  // As many as there may be: then nothing more can be opened.
  const before = `const fs = require('node:fs'); require('node:dns'); require('node:https'); require('node:child_process')
    const files = []; try { for (;;) files.push(fs.openSync('/dev/null')) } catch {}
    setTimeout(() => files.forEach(fs.closeSync), 4500).unref();`

  it.each(['127.0.0.1', 'hook.example'])('has its own trouble with %s, not the endpoint', async (host) => {
    const peer = await listen((socket) => socket.write(OK))
    const url = `http://${host}:${peer.port}/`
    const [allowed, dnsServers] = [['8.8.0.0/16', '127.0.0.1/32', '2606:4700::1/128'], [dns.address]]

    expect(await postInChild({ url, allowed, dnsServers, before, openFiles: 64 })).toEqual({ kind: 'local_fault' })
    expect(await postInChild({ url: peer.url, allowed, dnsServers, openFiles: 64 })).toEqual(answered(200))
  })
})
