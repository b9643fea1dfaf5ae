// Eight and a half days of two accounts, the same on every run: what the cookbook's results are made of. The lives are plain
// values, so that a test can add up from them what the reports say.
import { between, type Chance, chances, happens, pick } from '../../lib/local/simulator/chance.ts'

/** Everything below counts seconds from here, the beginning of a Monday in UTC. */
export const BEGAN = Date.parse('2026-03-02T00:00:00Z') / 1_000
export const DAY = 86_400
/** When the last look was had: noon of the second Tuesday. */
export const LAST_LOOK = 8 * DAY + DAY / 2
export const TICK = 20
export const toDate = (second: number) => new Date((BEGAN + second) * 1_000)

/** An incarnation as the ticks saw it. */
export interface KnownSession {
  account: string
  sessionId: string
  userId: string
  projectId: string
  assetKey: string
  firstSeenAfter: number | null
  firstSeenAt: number
  readyAfter: number | null
  readyAt: number | null
  startedAfter: number | null
  startedAt: number | null
  endedAfter: number | null
  endedAt: number | null
  endReason: 'reported' | 'gone' | 'absent' | null
  failed: boolean
  code: number | null
  message: string | null
}

/** A time in which no tick of an account was complete, from one moment up to another, and why. */
export interface Blind {
  account: string
  from: number
  to: number
  why: 'no ticks' | 'failed' | 'incomplete'
}

export const BLIND: Blind[] = [
  { account: 'clinic', from: 2 * DAY + 9 * 3_600, to: 2 * DAY + 9 * 3_600 + 1_500, why: 'failed' },
  { account: 'clinic', from: 6 * DAY + 3 * 3_600, to: 6 * DAY + 5 * 3_600, why: 'no ticks' },
  { account: 'shop', from: 3 * DAY + 14 * 3_600, to: 3 * DAY + 14 * 3_600 + 600, why: 'incomplete' },
  { account: 'shop', from: 6 * DAY + 3 * 3_600, to: 6 * DAY + 5 * 3_600, why: 'no ticks' },
  { account: 'shop', from: 8 * DAY + 8 * 3_600, to: 8 * DAY + 8 * 3_600 + 100, why: 'failed' },
]

const ACCOUNTS = [
  { account: 'clinic', perDay: 60, projects: ['triage'], users: 12 },
  { account: 'shop', perDay: 170, projects: ['concierge', 'kiosk', 'teller'], users: 25 },
]

const CODES: [code: number, message: string][] = [
  [-111_003, 'ModelLoadFailed: 模型加载失败'],
  [-111_004, 'CreateStreamTimeout: 创建流超时'],
  [-101_001, 'ResourceInsufficient: 资源不足'],
]

export const isComplete = (account: string, at: number) =>
  !BLIND.some((blind) => blind.account === account && at >= blind.from && at < blind.to)

/** The first complete look at or after a moment, and the last one before that; null where there was none. */
function seen(account: string, at: number): { at: number | null; after: number | null } {
  let look = Math.max(0, Math.ceil(at / TICK) * TICK)
  while (!isComplete(account, look)) look += TICK
  let after = look - TICK
  while (!isComplete(account, after)) after -= TICK
  return { at: look > LAST_LOOK ? null : look, after: after < 0 ? null : after }
}

/** What really happened, before anybody looked. */
interface Truth {
  created: number
  ready: number | null
  started: number | null
  ended: number
  failed: boolean
  code: number | null
  message: string | null
}

function live(chance: Chance, created: number): Truth {
  const prepared = created + between(chance, happens(chance, 0.02) ? [130, 400] : [4, 55])
  if (happens(chance, 0.05)) {
    const [code, message] = pick(chance, CODES)!
    return { created, ready: null, started: null, ended: prepared, failed: true, code, message }
  }
  const isLeft = happens(chance, 0.1)
  const started = isLeft ? null : prepared + between(chance, [5, 90])
  const isLong = happens(chance, isLeft ? 0.2 : 0.01)
  const lasts = between(chance, isLong ? [3_600, 6 * 3_600] : isLeft ? [120, 900] : [20, 1_500])
  const isReplaced = happens(chance, 0.04)
  const code = isReplaced ? 110_022 : null
  const message = isReplaced ? 'SessionReplaced: 同一用户新建会话' : null
  return { created, ready: prepared, started, ended: (started ?? prepared) + lasts, failed: false, code, message }
}

function observe(who: Pick<KnownSession, 'account' | 'sessionId' | 'userId' | 'projectId' | 'assetKey'>, truth: Truth) {
  const { account } = who
  const first = seen(account, truth.created)
  const end = seen(account, truth.ended)
  // Come and gone between two looks: nobody knows of it.
  if (first.at === null || (end.at !== null && end.at <= first.at)) return []
  const step = (at: number | null) => {
    const look = at === null ? { at: null, after: null } : seen(account, at)
    return look.at === null || (end.at !== null && look.at >= end.at) ? { at: null, after: null } : look
  }
  const ready = step(truth.ready)
  const started = step(truth.started)
  const isOver = end.at !== null
  const session: KnownSession = {
    ...who,
    firstSeenAfter: first.after,
    firstSeenAt: first.at,
    readyAfter: ready.after,
    readyAt: ready.at,
    startedAfter: started.after,
    startedAt: started.at,
    endedAfter: isOver ? end.after : null,
    endedAt: end.at,
    endReason: isOver ? 'reported' : null,
    failed: isOver && truth.failed,
    code: isOver ? truth.code : null,
    message: isOver ? truth.message : null,
  }
  return [session]
}

/** Some ends have no word of the API: it does not know the session any more, or lists lacked it three times. */
function withReason(chance: Chance, session: KnownSession): KnownSession {
  if (session.endedAt === null || session.code !== null) return session
  if (happens(chance, 0.05)) return { ...session, endReason: 'gone' }
  const isAbsent = happens(chance, 0.03) && session.endedAt + 2 * TICK <= LAST_LOOK
  return isAbsent ? { ...session, endReason: 'absent', endedAt: session.endedAt + 2 * TICK } : session
}

function lives(): KnownSession[] {
  const chance = chances(7, ['lives']).lives
  return ACCOUNTS.flatMap(({ account, perDay, projects, users }) =>
    Array.from({ length: 9 }).flatMap((_, day) =>
      Array.from({ length: day === 5 || day === 6 ? Math.round(perDay / 3) : perDay }).flatMap((_, index) => {
        // Between 7 and 21 o'clock, most of them in the middle.
        const hour = (between(chance, [7, 21]) + between(chance, [7, 21])) / 2
        const who = {
          account,
          sessionId: `${account[0]}${day + 1}-${String(index + 1).padStart(3, '0')}`,
          userId: `${account}-user-${1 + Math.floor(between(chance, [0, users]))}`,
          projectId: pick(chance, projects)!,
          assetKey: happens(chance, 0.5) ? 'anna' : 'li-wei',
        }
        const truth = live(chance, day * DAY + hour * 3_600)
        return observe(who, truth).map((session) => withReason(chance, session))
      }),
    ),
  )
}

/** Everything there ever was, in the order of accounts and days. */
export const SESSIONS: KnownSession[] = lives()

/** A delivery as it ended, or as it waits. */
export interface KnownDelivery {
  endpoint: string
  /** The session whose end it tells. */
  session: KnownSession
  state: 'pending' | 'delivered' | 'dead'
  attempts: number
  createdAt: number
  finalizedAt: number | null
}

export const ENDPOINTS = [
  { id: 'ep_billing', description: 'billing', url: 'https://billing.example.com/hooks' },
  { id: 'ep_crm', description: 'CRM', url: 'https://crm.example.com/rollcall' },
  { id: 'ep_legacy', description: 'the old dashboard', url: 'https://old.example.com/' },
]

function fate(chance: Chance, endpoint: string, createdAt: number): Omit<KnownDelivery, 'endpoint' | 'session'> {
  const delivered = (attempts: number, wait: number): Omit<KnownDelivery, 'endpoint' | 'session'> => {
    const finalizedAt = createdAt + Math.round(wait * 1_000) / 1_000
    return { state: 'delivered', attempts, createdAt, finalizedAt }
  }
  if (endpoint === 'ep_crm') return delivered(1, between(chance, [0.1, 0.9]))
  if (endpoint === 'ep_billing') {
    return happens(chance, 0.06)
      ? delivered(2 + Math.floor(between(chance, [0, 3])), between(chance, [6, 90]))
      : delivered(1, between(chance, [0.8, 4]))
  }
  if (createdAt < 2 * DAY) return delivered(1, between(chance, [0.3, 2]))
  const isDead = createdAt + 3 * DAY < LAST_LOOK
  return isDead
    ? { state: 'dead', attempts: 22, createdAt, finalizedAt: createdAt + 3 * DAY }
    : { state: 'pending', attempts: 14, createdAt, finalizedAt: null }
}

function deliveries(): KnownDelivery[] {
  const chance = chances(11, ['fates']).fates
  return SESSIONS.flatMap((session) =>
    session.endedAt === null
      ? []
      : ENDPOINTS.filter(
          ({ id }) => id !== 'ep_legacy' || session.endedAt! < 4 * DAY || session.endedAt! > 7 * DAY,
        ).map(({ id }) => ({ endpoint: id, session, ...fate(chance, id, session.endedAt!) })),
  )
}

export const DELIVERIES: KnownDelivery[] = deliveries()
