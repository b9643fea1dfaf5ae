// Required by each process of a test: notes, in a file, whom it connects to and whose address it looks up.
'use strict'
const dns = require('node:dns')
const { appendFileSync } = require('node:fs')
const net = require('node:net')

const note = (what) => appendFileSync(process.env.CONTACTS_FILE, `${what}\n`)

const connect = Reflect.get(net.Socket.prototype, 'connect')
net.Socket.prototype.connect = function (...args) {
  const [first] = Array.isArray(args[0]) ? args[0] : args
  // No path: pipes to child processes are not the network.
  if (typeof first === 'object' && first.port !== undefined) note(`${first.host ?? first.hostname}:${first.port}`)
  else if (typeof first === 'number') note(`${String(args[1])}:${first}`)
  return connect.apply(this, args)
}

for (const api of [dns, dns.promises]) {
  for (const name of ['lookup', 'resolve', 'resolve4', 'resolve6']) {
    const ask = api[name]
    api[name] = (host, ...rest) => {
      note(`address of ${host}`)
      return ask.call(api, host, ...rest)
    }
  }
}
