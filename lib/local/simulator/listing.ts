import { happens, shuffled } from './chance.ts'
import { isLive, type Session } from './life.ts'
import type { Simulator } from './simulator.ts'

/** The Payload of a list: the ongoing sessions that belong, as truthful and as well-formed as the settings say. */
export function listing(simulator: Simulator, belongs: (session: Session) => boolean = () => true): object {
  const { settings, chance } = simulator
  const items = happens(chance.answers, settings.emptyListShare)
    ? []
    : [...simulator.sessions.values()]
        .filter((session) => isListed(simulator, session) && belongs(session))
        .filter(() => !happens(chance.answers, settings.droppedShare))
        .map((session) => item(simulator, session))
        .flatMap((listed) => (happens(chance.answers, settings.duplicateShare) ? [listed, listed] : [listed]))
        .concat(settings.extraItems as object[])
  simulator.onListing?.(items)
  if (items.length > 0) return { Sessions: settings.shuffle ? shuffled(chance.answers, items) : items }
  switch (settings.emptyAs) {
    case '[]':
      return { Sessions: [] }
    case 'null':
      return { Sessions: null }
    case 'missing':
      return {}
  }
}

function isListed({ settings, reached }: Simulator, session: Session): boolean {
  return isLive(session) || reached < (session.endedAt ?? 0) + settings.lingerSeconds * 1000
}

function item({ settings }: Simulator, session: Session): object {
  return {
    UserId: session.userId,
    SessionId: session.id,
    SessionStatus: session.fate.lot < settings.unknownStatusShare ? 5 : session.status,
    ...streamOf(session),
    DriverType: settings.driverTypeAs === 'string' ? String(session.driverType) : session.driverType,
    IsSessionStarted: session.started,
    ...(settings.fields === 11 && {
      VirtualmanType: 1,
      CreateType: session.assetKey === null ? 0 : 1,
      VirtualmanKey: `virtualman-${session.projectId ?? session.assetKey ?? ''}`,
      AssetVirtualmanKey: session.assetKey ?? '',
      VirtualmanProjectId: session.projectId ?? '',
    }),
  }
}

/** `PlayStreamAddr` once there is a stream, otherwise no field at all. */
export function streamOf({ playStreamAddr }: Session): { PlayStreamAddr?: string } {
  return playStreamAddr === null ? {} : { PlayStreamAddr: playStreamAddr }
}
