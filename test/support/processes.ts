import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

interface Process {
  pid: number
  parent: number
  uid: number
  isZombie: boolean
}

/** Whether it runs. A zombie does not: whether somebody reaps it depends on the container. */
export function isAlive(pid: number): boolean {
  return processes().some((process) => process.pid === pid && !process.isZombie)
}

/** Whom it runs as; undefined when it is gone. */
export function uidOf(pid: number): number | undefined {
  return processes().find((process) => process.pid === pid)?.uid
}

/** Those it started that still run. */
export function childrenOf(pid: number): number[] {
  return processes().flatMap((process) => (process.parent === pid && !process.isZombie ? [process.pid] : []))
}

function processes(): Process[] {
  // Small images come without ps, and macOS without /proc.
  if (process.platform !== 'linux') return fromPs()
  return readdirSync('/proc').flatMap((name) => {
    try {
      const status = readFileSync(`/proc/${Number(name)}/status`, 'utf8')
      const field = (key: string): string => new RegExp(`^${key}:\\s*(\\S+)`, 'm').exec(status)?.[1] ?? ''
      return [
        {
          pid: Number(name),
          parent: Number(field('PPid')),
          uid: Number(field('Uid')),
          isZombie: field('State') === 'Z',
        },
      ]
    } catch {
      return []
    }
  })
}

function fromPs(): Process[] {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid=,uid=,stat='], { encoding: 'utf8' })
  return stdout.split('\n').flatMap((row) => {
    const [pid, parent, uid, stat] = row.trim().split(/\s+/)
    return pid
      ? [{ pid: Number(pid), parent: Number(parent), uid: Number(uid), isZombie: stat?.startsWith('Z') ?? false }]
      : []
  })
}
