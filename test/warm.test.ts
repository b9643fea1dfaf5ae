import { describe, expect, it } from 'vitest'
import { AppError } from '../lib/errors.ts'
import { keepWarm } from '../lib/warm.ts'

/** Services that are numbers, in the order they were opened; the numbers of those that were closed. */
function openServices() {
  const opened: number[] = []
  const closed: number[] = []
  const open = () => {
    opened.push(opened.length + 1)
    return Promise.resolve(opened.length)
  }
  const close = (service: number) => {
    closed.push(service)
    return Promise.resolve()
  }
  return { opened, closed, warm: keepWarm(open, close) }
}

const itself = (service: number) => Promise.resolve(service)
const refused = Object.assign(new Error('password authentication failed'), { code: '28P01' })

/** A promise, and what fulfils it. */
function later() {
  let happen = () => {}
  const happened = new Promise<void>((resolve) => (happen = resolve))
  return { happened, happen }
}

describe('keepWarm', () => {
  it('opens at the first invocation, and gives the same to each that follows', async () => {
    const { opened, closed, warm } = openServices()

    expect(opened).toEqual([])
    expect([await warm(itself), await warm(itself), await warm(itself)]).toEqual([1, 1, 1])
    expect([opened, closed]).toEqual([[1], []])
  })

  it('opens once for invocations at the same time', async () => {
    const { opened, warm } = openServices()

    expect(await Promise.all([warm(itself), warm(itself)])).toEqual([1, 1])
    expect(opened).toEqual([1])
  })

  it('keeps nothing of an opening that failed: all who waited for it are told, and the next invocation tries again', async () => {
    const fault = new AppError('secret_unreadable', 'not yet')
    const outcomes = [() => Promise.reject(fault), () => Promise.resolve('open')]
    const warm = keepWarm(
      () => outcomes.shift()?.() ?? Promise.reject(new Error('opened a third time')),
      () => Promise.reject(new Error('there is nothing to close')),
    )
    const invoke = () => warm((service: string) => Promise.resolve(service))

    const first = await Promise.allSettled([invoke(), invoke()])
    const then = [await invoke(), await invoke()]

    expect(first.map((one) => one.status === 'rejected' && (one.reason as unknown))).toEqual([fault, fault])
    expect(then).toEqual(['open', 'open'])
  })

  it.each<[string, unknown]>([
    ['the database refuses the password', refused],
    ['the database cannot be reached', Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })],
    ['that has been explained already', new AppError('database_unreachable', 'gone')],
  ])('opens anew after an invocation that threw since %s', async (_, fault) => {
    const { closed, warm } = openServices()

    await expect(warm(() => Promise.reject(fault as Error))).rejects.toMatchObject({ code: 'database_unreachable' })
    const next = await warm(itself)

    expect([next, closed]).toEqual([2, [1]])
  })

  it('opens anew after an invocation that asked for it, although it succeeded', async () => {
    const { closed, warm } = openServices()

    const first = await warm((service, drop) => {
      drop()
      return itself(service)
    })

    expect([first, await warm(itself), closed]).toEqual([1, 2, [1]])
  })

  it('keeps its services whatever else an invocation throws, and passes that on', async () => {
    const { closed, warm } = openServices()
    const fault = new AppError('no_account_reconciled', 'they are all wrong')

    await expect(warm(() => Promise.reject(fault))).rejects.toBe(fault)

    expect([await warm(itself), closed]).toEqual([1, []])
  })

  it('closes what was dropped only when the last invocation that uses it is over', async () => {
    const { closed, warm } = openServices()
    const { happened, happen } = later()
    const slow = warm(async (service) => {
      await happened
      return service
    })

    await expect(warm(() => Promise.reject(refused))).rejects.toThrow(/refused the connection/)
    const meanwhile = [await warm(itself), ...closed]
    happen()

    expect(meanwhile).toEqual([2])
    expect(await slow).toBe(1)
    expect(closed).toEqual([1])
  })

  it('drops only its own: a late failure with what was replaced leaves the new services alone', async () => {
    const { closed, warm } = openServices()
    const { happened, happen } = later()
    const late = warm(async () => {
      await happened
      throw refused
    })

    await expect(warm(() => Promise.reject(refused))).rejects.toThrow(/refused the connection/)
    await warm(itself)
    happen()
    await expect(late).rejects.toThrow(/refused the connection/)

    expect([await warm(itself), closed]).toEqual([2, [1]])
  })

  it('does not wait for the closing, nor fail with it: a dead connection may take minutes', async () => {
    const never = keepWarm(itself.bind(null, 1), () => new Promise<void>(() => undefined))
    const failing = keepWarm(itself.bind(null, 1), () => Promise.reject(new Error('cannot be closed')))

    await expect(never(() => Promise.reject(refused))).rejects.toMatchObject({ code: 'database_unreachable' })
    await expect(failing(() => Promise.reject(refused))).rejects.toMatchObject({ code: 'database_unreachable' })
    expect(await failing(itself)).toBe(1)
  })
})
