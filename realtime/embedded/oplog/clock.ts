// Cluster time: one number that only ever grows, also over a restart and when the machine's clock steps back. It is
// kept as seconds * 2^20 + counter, which a JavaScript number holds exactly.
import { Timestamp } from 'bson'

const INCREMENTS_PER_SECOND = 2 ** 20

/** A position in the oplog, ordered as MongoDB orders its timestamps. */
export type ClusterTime = number

/** Hands out strictly increasing cluster times. */
export class ClusterClock {
  #latest: ClusterTime

  constructor(latest: ClusterTime) {
    this.#latest = latest
  }

  /** The next time, never one that was handed out before. */
  tick(): ClusterTime {
    this.#latest = Math.max(
      this.#latest + 1,
      Math.floor(Date.now() / 1000) * INCREMENTS_PER_SECOND + 1,
    )
    return this.#latest
  }

  /** The time handed out last. */
  get now(): ClusterTime {
    return this.#latest
  }
}

/** As BSON shows it. */
export function toTimestamp(time: ClusterTime): Timestamp {
  return new Timestamp({
    t: Math.floor(time / INCREMENTS_PER_SECOND),
    i: time % INCREMENTS_PER_SECOND,
  })
}

/** From BSON; a counter beyond what fits is cut to the largest. */
export function fromTimestamp(timestamp: Timestamp): ClusterTime {
  return (
    timestamp.getHighBitsUnsigned() * INCREMENTS_PER_SECOND +
    Math.min(timestamp.getLowBitsUnsigned(), INCREMENTS_PER_SECOND - 1)
  )
}
