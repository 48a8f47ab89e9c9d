// Every number of the HTTP side in one place; tests shrink them.
import type { TokenRate } from '../auth/token-bucket.ts'

export interface HttpSettings {
  /** Requests of one signed-in user, on this node. */
  userRate: TokenRate
  /** Requests from one address of those who aren't signed in, on this node: a whole office may share it. */
  addressRate: TokenRate
  /** Large bodies that a node holds at a time, at most one of each user. */
  largeImports: number
  /** Milliseconds. */
  timings: {
    /** A request's headers are whole by then, also the first of a connection. */
    headers: number
    /** The whole request is: an import of 256 MB over a slow line. */
    request: number
    /** A connection without a request ends. Longer than common proxies keep one, so that it is them who close it. */
    idle: number
    /** How often the three are looked at. */
    check: number
    /** A body that is under way brings `pace` bytes each so often. */
    body: number
  }
  /** Bytes. */
  minBodyBytes: number
}

export const httpSettings: HttpSettings = {
  userRate: { rate: 200, burst: 1_000 },
  addressRate: { rate: 200, burst: 1_000 },
  largeImports: 2,
  timings: { headers: 10_000, request: 300_000, idle: 75_000, check: 5_000, body: 10_000 },
  minBodyBytes: 160 * 1024,
}
