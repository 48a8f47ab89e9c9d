/** Every wait of the replies, in milliseconds, so that tests can shorten them. */
export interface ReplyTimings {
  /** Text is collected this long before devices are shown it. */
  deltaMs: number
  /** Text is made durable at most this often. */
  durableMs: number
  /** To the first piece. Long: a model may have to be loaded first. */
  firstEventMs: number
  /** Between two pieces. */
  idleMs: number
  /** Altogether. */
  totalMs: number
  /** The first pause after a write that failed; it doubles. */
  retryMs: number
  /** How long a write is tried. */
  giveUpMs: number
  /** A lease lasts this long; renewed halfway, it leaves time for a renewal that fails to be repeated. */
  leaseMs: number
  renewMs: number
  /** How often a reply that has been silent that long is looked at: it may have been ended without this node being told. */
  silenceCheckMs: number
  /** How often expired leases are looked for: with the lease, a dead node's replies end within 13 s. */
  sweepMs: number
  /** How often messages are looked for that stream although nobody holds a lease. */
  straySweepMs: number
}

export const replyTimings: ReplyTimings = {
  deltaMs: 40,
  durableMs: 1_000,
  firstEventMs: 120_000,
  idleMs: 45_000,
  totalMs: 15 * 60_000,
  retryMs: 200,
  giveUpMs: 30_000,
  leaseMs: 10_000,
  renewMs: 5_000,
  silenceCheckMs: 1_000,
  sweepMs: 2_500,
  straySweepMs: 30_000,
}
