// Cluster time: a number that always grows, even across restarts and when the clock of the machine
// is set back. It is seconds * 2^20 + a counter, which a JavaScript number holds exactly. Clients
// receive it as a timestamp or a resume token.
import { Timestamp } from 'bson'
import type { Plain } from '../bson/encode.ts'
import { isDoc } from '../bson/type-of.ts'
import { refusal } from '../errors.ts'

const INCREMENTS_PER_SECOND = 2 ** 20

/** A position in the oplog. Positions have the order of MongoDB's timestamps. */
export type ClusterTime = number

/** The first time after `latest` that isn't before the machine's clock. */
export function timeAfter(latest: ClusterTime): ClusterTime {
  return Math.max(latest + 1, Math.floor(Date.now() / 1000) * INCREMENTS_PER_SECOND + 1)
}

export function toTimestamp(time: ClusterTime): Timestamp {
  const t = Math.floor(time / INCREMENTS_PER_SECOND)
  return new Timestamp({ t, i: time % INCREMENTS_PER_SECOND })
}

/** A cluster time from BSON. A counter that doesn't fit is reduced to the largest that does. */
export function fromTimestamp(timestamp: Timestamp): ClusterTime {
  const counter = Math.min(timestamp.getLowBitsUnsigned(), INCREMENTS_PER_SECOND - 1)
  return timestamp.getHighBitsUnsigned() * INCREMENTS_PER_SECOND + counter
}

/** What precedes the position: all up to a time, one event, or the invalidation that it caused. */
export type ResumeTokenKind = 'mark' | 'event' | 'invalidate'

export interface ResumeToken {
  readonly time: ClusterTime
  readonly kind: ResumeTokenKind
}

const FORMAT_VERSION = '82'
const kinds: Record<ResumeTokenKind, string> = { mark: '00', event: '64', invalidate: '6E' }

export function tokenOf(time: ClusterTime, kind: ResumeTokenKind): Plain {
  const stamp = toTimestamp(time).toBigInt().toString(16).padStart(16, '0').toUpperCase()
  return { _data: `${FORMAT_VERSION}${stamp}${kinds[kind]}` }
}

/** Reads a token. Refuses a token that this server can't have issued. */
export function parseToken(given: unknown): ResumeToken {
  const data = isDoc(given) ? given.get('_data') : undefined
  if (typeof data !== 'string') {
    throw refusal('InvalidResumeToken', 'Bad resume token: _data of missing or of wrong type')
  }
  const found = /^82([0-9A-Fa-f]{8})([0-9A-Fa-f]{8})(00|64|6E)$/i.exec(data)
  if (!found)
    throw refusal('InvalidResumeToken', 'Bad resume token: it was not made by this server')
  const kind = (Object.keys(kinds) as ResumeTokenKind[]).find(
    (name) => kinds[name] === found[3]!.toUpperCase(),
  )!
  const stamp = new Timestamp({ t: parseInt(found[1]!, 16), i: parseInt(found[2]!, 16) })
  return { kind, time: fromTimestamp(stamp) }
}
