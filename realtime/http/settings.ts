// Every number of the HTTP server in one place. Tests shrink them.
import type { TokenRate } from '../auth/token-bucket.ts'

export interface HttpSettings {
  /** Requests of one signed-in user, on this node. */
  userRate: TokenRate
  /**
   * Requests from one address without a sign-in, on this node. A whole office may share an address.
   */
  addressRate: TokenRate
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
    /** A body must bring at least `minBodyBytes` in each interval of this length. */
    body: number
  }
  /** Bytes. */
  minBodyBytes: number
}

export const httpSettings: HttpSettings = {
  userRate: { rate: 200, burst: 1_000 },
  addressRate: { rate: 200, burst: 1_000 },
  spooledBytes: 2 * 1024 ** 3,
  timings: { headers: 10_000, request: 300_000, idle: 75_000, check: 5_000, body: 10_000 },
  minBodyBytes: 160 * 1024,
}
