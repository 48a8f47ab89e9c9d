// Cluster time: a number that always grows, even across restarts and when the clock of the machine
// is set back. It is seconds * 2^20 + a counter, which a JavaScript number holds exactly.
import { Timestamp } from 'bson'

const INCREMENTS_PER_SECOND = 2 ** 20

/** A position in the oplog. Positions have the order of MongoDB's timestamps. */
export type ClusterTime = number

/** The first time after `latest` that isn't before the machine's clock. */
export function timeAfter(latest: ClusterTime): ClusterTime {
  return Math.max(latest + 1, Math.floor(Date.now() / 1000) * INCREMENTS_PER_SECOND + 1)
}

/** A cluster time as BSON. */
export function toTimestamp(time: ClusterTime): Timestamp {
  return new Timestamp({
    t: Math.floor(time / INCREMENTS_PER_SECOND),
    i: time % INCREMENTS_PER_SECOND,
  })
}

/** A cluster time from BSON. A counter that doesn't fit is reduced to the largest that does. */
export function fromTimestamp(timestamp: Timestamp): ClusterTime {
  return (
    timestamp.getHighBitsUnsigned() * INCREMENTS_PER_SECOND +
    Math.min(timestamp.getLowBitsUnsigned(), INCREMENTS_PER_SECOND - 1)
  )
}
