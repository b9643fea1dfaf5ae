// Required by a process before its own code: kills it at its n-th write to the network, before or right after the bytes
// are with the kernel. Whatever a process sends, statements, API calls and POSTs, passes here; nothing is listed.
// oxlint-disable no-underscore-dangle -- Node gives no other place where every write passes
const { Socket } = require('node:net')

const [when, number] = (process.env.KILL ?? '').split(' ')
const writeGeneric = Socket.prototype._writeGeneric
let writes = 0

Socket.prototype._writeGeneric = function (...arguments_) {
  // Standard output may be a socket too. What is written while it connects comes here again.
  const isNetwork = this._handle?.constructor.name === 'TCP' && !this.connecting
  if (isNetwork) writes += 1
  const isIt = isNetwork && writes === Number(number)
  if (isIt && when === 'before') process.kill(process.pid, 'SIGKILL')
  const result = writeGeneric.apply(this, arguments_)
  if (isIt) process.kill(process.pid, 'SIGKILL')
  return result
}
