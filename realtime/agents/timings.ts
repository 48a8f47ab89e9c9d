/** Every wait that concerns replies, in milliseconds. Tests shorten them. */
export interface ReplyTimings {
  /** Text is collected for this long before devices see it. */
  deltaMs: number
  /** Text is written to the log at most this often. */
  durableMs: number
  /**
   * The longest wait for the provider's first event. It is long because a model may have to be
   * loaded first.
   */
  firstEventMs: number
  /** The longest wait between two events of the provider. */
  idleMs: number
  /** The longest time that a provider may take altogether. */
  totalMs: number
  /** A program that writes a reply itself may send nothing for this long. */
  hostIdleMs: number
  /** It may take this long altogether. */
  hostTotalMs: number
  /** It may come back this long after its connection broke. */
  hostReturnMs: number
  /** The first pause after a write that failed. Each further pause is twice as long. */
  retryMs: number
  /** A write that keeps failing is retried for this long. */
  giveUpMs: number
  /** A lease expires this long after its last renewal. */
  leaseMs: number
  /** Half of `leaseMs`, so that a renewal that fails can be repeated in time. */
  renewMs: number
  /**
   * A reply that hasn't written for this long is checked this often: the node may have missed its
   * end.
   */
  silenceCheckMs: number
  /**
   * Expired leases are looked for this often. With `leaseMs`, a dead node's replies end within 13
   * s.
   */
  sweepMs: number
  /**
   * Messages and runs that stream although nobody holds a lease on them are looked for this often.
   */
  straySweepMs: number
}

export const replyTimings: ReplyTimings = {
  deltaMs: 40,
  durableMs: 1_000,
  firstEventMs: 120_000,
  idleMs: 45_000,
  totalMs: 15 * 60_000,
  hostIdleMs: 120_000,
  hostTotalMs: 60 * 60_000,
  hostReturnMs: 15_000,
  retryMs: 200,
  giveUpMs: 30_000,
  leaseMs: 10_000,
  renewMs: 5_000,
  silenceCheckMs: 1_000,
  sweepMs: 2_500,
  straySweepMs: 30_000,
}
