// Every number of the HTTP server in one place. Tests shrink them.
import type { MemoryBudget } from '../concurrency/memory-budget.ts'
import type { TokenRate } from '../auth/token-bucket.ts'

export interface HttpSettings {
  /** Requests of one signed-in user, on this node. */
  userRate: TokenRate
  /**
   * Requests from one address without a sign-in, on this node. A whole office may share an address.
   */
  addressRate: TokenRate
  /** Requests of one user, or of one address without a sign-in, that are answered at a time. */
  answers: { running: number; waiting: number }
  /** What the answers to one user, or to one address without a sign-in, have together (bytes). */
  answerBytes: TokenRate
  /** What clients have not read of their answers (bytes). */
  unread: MemoryBudget
  /** Large bodies may occupy this much of the disk at the same time (bytes), one per user. */
  spooledBytes: number
  /** Milliseconds. */
  timings: {
    /** The headers of a request must have arrived within this time. */
    headers: number
    /**
     * A whole request must have arrived within this time: an import of 256 MB over a slow
     * connection.
     */
    request: number
    /**
     * A connection without a request is closed after this time. It is longer than the keep-alive
     * time of common proxies, so that the proxy closes the connection.
     */
    idle: number
    /** The three limits above are checked this often. */
    check: number
    /** An answer of which the client has read nothing for this long is ended. */
    unread: number
    /** A body must bring at least `minBodyBytes` in each interval of this length. */
    body: number
  }
  /** Bytes. */
  minBodyBytes: number
}

export const httpSettings: HttpSettings = {
  userRate: { rate: 200, burst: 1_000 },
  addressRate: { rate: 200, burst: 1_000 },
  answers: { running: 8, waiting: 1_000 },
  answerBytes: { rate: 16 * 1024 ** 2, burst: 64 * 1024 ** 2 },
  unread: { perOwner: 24 * 1024 ** 2, inAll: 128 * 1024 ** 2 },
  spooledBytes: 2 * 1024 ** 3,
  timings: {
    headers: 10_000,
    request: 300_000,
    idle: 75_000,
    check: 5_000,
    unread: 20_000,
    body: 10_000,
  },
  minBodyBytes: 160 * 1024,
}
