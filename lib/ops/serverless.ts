// The verbs of `npm run ops`: a class component, which the local runner of @serverless/cli loads from dist/ops and of which it
// calls the method that the command line names. The runner is told as little as possible: it would end with 0 after most
// errors, hide the cursor, read .env, keep a state, and without a verb call its makers.
import { join } from 'node:path'
import { Component } from '@serverless/core'
import { openCloudOf } from '../deploy/access.ts'
import { AppError, describe } from '../errors.ts'
import { inert } from '../inert.ts'
import { type Order, readOrder, USAGE } from './arguments.ts'
import { readDeclared } from './declared.ts'
import { logs } from './logs.ts'
import { print, takeOutput } from './output.ts'
import { smoke } from './smoke.ts'
import { status } from './status.ts'
import type { Told } from './told.ts'

/** The runner insists on the folder of this file. */
const ROOT = join(process.cwd(), '..', '..')

// While it is loaded, the runner has done nothing yet. It reads options in its own way (a stage 007 becomes 7): it is not asked.
const read = readOrder(process.argv, Date.now())
if ('exitCode' in read) process.exit(read.exitCode)
const order = read
takeOutput()

async function carryOut({ verb, asked }: Order): Promise<Told> {
  const service = await readDeclared(ROOT, asked)
  const cloud = await openCloudOf(service, ROOT, process.env)
  switch (verb) {
    case 'status':
      return status(cloud, service, asked)
    case 'smoke':
      return smoke(cloud, service)
    case 'logs':
      return logs(cloud, service, asked, Date.now())
  }
}

/** Ends the process, since the runner would show what it is given in its own way. */
async function run(): Promise<never> {
  try {
    const { isWell, json, lines, problems } = await carryOut(order)
    if (order.asked.json) await print(JSON.stringify(json))
    else {
      await print(...lines.map(inert))
      for (const problem of problems) process.stderr.write(`${inert(problem)}\n`)
    }
    process.exit(isWell ? 0 : 1)
  } catch (error) {
    const why = describe(error)
    if (order.asked.json) await print(JSON.stringify({ ok: false, problems: [why] }))
    else process.stderr.write(`${why}\n`)
    process.exit(error instanceof AppError && error.code === 'input_invalid' ? USAGE : 1)
  }
}

export default class Rollcall extends Component {
  /** The runner's state and credentials are not wanted: to keep them it would write to this folder. */
  override async init(): Promise<void> {}

  default(): Promise<never> {
    return run()
  }

  status(): Promise<never> {
    return run()
  }

  smoke(): Promise<never> {
    return run()
  }

  logs(): Promise<never> {
    return run()
  }
}
