// What may be set when the server starts, with the defaults that a mongod has.

/** Settings of one server. Times in milliseconds, sizes in bytes. */
export interface ServerSettings {
  /** How often expired documents of TTL indexes are removed. */
  readonly ttlSweepMs: number
  /** Oplog entries older than this go. */
  readonly oplogMaxAgeMs: number
  /** The oldest oplog entries go once all together are larger than this. */
  readonly oplogMaxBytes: number
  /** How often the oplog and old sessions are trimmed. */
  readonly trimMs: number
  /** How often an idle server lets time pass in its oplog for the streams that wait. */
  readonly noopIntervalMs: number
  /** Enables `configureFailPoint`. */
  readonly testCommands: boolean
}

/** The defaults. */
export const defaultSettings: ServerSettings = {
  ttlSweepMs: 60_000,
  oplogMaxAgeMs: 24 * 3600 * 1000,
  oplogMaxBytes: 512 * 1024 * 1024,
  trimMs: 30_000,
  noopIntervalMs: 10_000,
  testCommands: false,
}
