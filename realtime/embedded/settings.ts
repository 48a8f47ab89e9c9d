// What can be set when a server starts, with the defaults of a mongod.

/** The settings of one server. Times are in milliseconds, sizes in bytes. */
export interface ServerSettings {
  /** Time between two removals of the documents that TTL indexes have expired. */
  readonly ttlSweepMs: number
  /** Age at which an oplog entry is removed. */
  readonly oplogMaxAgeMs: number
  /** Total size above which the oldest oplog entries are removed. */
  readonly oplogMaxBytes: number
  readonly trimMs: number
  /** Time between two no-ops in the oplog while streams wait, which keep their tokens young. */
  readonly noopIntervalMs: number
  /** Whether `configureFailPoint` is allowed. For tests only. */
  readonly testCommands: boolean
}

export const defaultSettings: ServerSettings = {
  ttlSweepMs: 60_000,
  oplogMaxAgeMs: 24 * 3600 * 1000,
  oplogMaxBytes: 512 * 1024 * 1024,
  trimMs: 30_000,
  noopIntervalMs: 10_000,
  testCommands: false,
}
