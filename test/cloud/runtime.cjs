// The entry of a function instance: loads the handler and calls it, once at a time, when the cloud asks to (Tencent
// 583/9210, 583/67790). It runs on the Node of the function's runtime with the function's environment and nothing else of
// this repository.
'use strict'
const path = require('node:path')

const send = process.send.bind(process)
// What a function finds is SCF's: no channel to a parent process.
delete process.send
process.on('disconnect', () => process.exit())

const streams = [process.stdout, process.stderr].map((stream) => stream.write.bind(stream))
let handler

process.on('message', ({ load, invoke }) => {
  if (load !== undefined) send(loadHandler(load))
  else void callHandler(invoke).then((settled) => send({ ...settled, memoryBytes: process.memoryUsage().rss }))
})

function loadHandler(name) {
  const [file, method] = name.split('.')
  try {
    handler = require(path.join(process.cwd(), file))[method]
  } catch (error) {
    return { error: stackOf(error) }
  }
  return typeof handler === 'function' ? { loaded: true } : { missing: `${file}.js has no method ${method}` }
}

async function callHandler({ mark, event, context, env }) {
  // SCF gives a warm instance fresh credentials of its role.
  Object.assign(process.env, env)
  const settled = await settle(event, context)
  // All that was printed before it belongs to this invocation.
  for (const write of streams) write(`${mark}\n`)
  return settled
}

async function settle(event, context) {
  try {
    const result = await handler(event, context)
    return { result: JSON.stringify(result === undefined ? null : result) }
  } catch (error) {
    return { error: stackOf(error) }
  }
}

function stackOf(error) {
  return String((error && error.stack) || error)
}
