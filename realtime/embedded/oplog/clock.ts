// Cluster time: a number that always grows, even across restarts and when the clock of the machine
// is set back. It is seconds * 2^20 + a counter, which a JavaScript number holds exactly.
import { Timestamp } from 'bson'

const INCREMENTS_PER_SECOND = 2 ** 20

/** A position in the oplog. Positions have the order of MongoDB's timestamps. */
export type ClusterTime = number

/** Issues strictly increasing cluster times. */
export class ClusterClock {
  #latest: ClusterTime

  constructor(latest: ClusterTime) {
    this.#latest = latest
  }

  /** Issues the next time. */
  tick(): ClusterTime {
    this.#latest = Math.max(
      this.#latest + 1,
      Math.floor(Date.now() / 1000) * INCREMENTS_PER_SECOND + 1,
    )
    return this.#latest
  }

  /** Makes all further times later than this one. */
  advanceTo(time: ClusterTime): void {
    this.#latest = Math.max(this.#latest, time)
  }

  /** The time that was issued last. */
  get now(): ClusterTime {
    return this.#latest
  }
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
