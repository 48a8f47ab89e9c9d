// Resume tokens: positions in the oplog as hex text that sorts as the positions do.
import { Timestamp } from 'bson'
import type { Plain } from '../bson/encode.ts'
import { isDoc } from '../bson/type-of.ts'
import { refusal } from '../errors.ts'
import { fromTimestamp, toTimestamp, type ClusterTime } from './clock.ts'

/**
 * What precedes the position: every entry up to a time, one event, or the invalidation that an
 * event caused.
 */
export type ResumeTokenKind = 'mark' | 'event' | 'invalidate'

export interface ResumeToken {
  readonly time: ClusterTime
  readonly kind: ResumeTokenKind
}

const FORMAT_VERSION = '82'
const kinds: Record<ResumeTokenKind, string> = { mark: '00', event: '64', invalidate: '6E' }

/** The token as clients receive it. */
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
    throw refusal(
      'InvalidResumeToken',
      `Bad resume token: ${data.slice(0, 80)} was not made by this server`,
    )
  const kind = (Object.keys(kinds) as ResumeTokenKind[]).find(
    (name) => kinds[name] === found[3]!.toUpperCase(),
  )!
  return {
    kind,
    time: fromTimestamp(new Timestamp({ t: parseInt(found[1]!, 16), i: parseInt(found[2]!, 16) })),
  }
}
