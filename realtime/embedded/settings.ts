// What can be set when a server starts, with the defaults of a mongod.

/** The settings of one server. Times are in milliseconds, sizes in bytes. */
export interface ServerSettings {
  /** Time between two removals of the documents that TTL indexes have expired. */
  readonly ttlSweepMs: number
  /** Age at which an oplog entry is removed. */
  readonly oplogMaxAgeMs: number
  /** Total size above which the oldest oplog entries are removed. */
  readonly oplogMaxBytes: number
  /** Time between two removals of old oplog entries, idle sessions and idle cursors. */
  readonly trimMs: number
  /**
   * Time between two no-op entries in the oplog while change streams wait. They move the resume
   * token of an idle stream on, so that it never gets older than the oplog.
   */
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
