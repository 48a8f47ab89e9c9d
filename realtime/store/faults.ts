// Driver errors become faults of the table here, once, for both boundaries.
import {
  MongoClientClosedError,
  MongoNetworkError,
  MongoNotConnectedError,
  MongoOperationTimeoutError,
  MongoServerClosedError,
  MongoServerError,
  MongoStalePrimaryError,
  MongoSystemError,
  MongoTopologyClosedError,
} from 'mongodb'
import { Fault } from '@lockstep/protocol/errors'

const RETRY_MS = 1_000

/** Faults stay; a database that is away, electing or too slow is `unavailable`; everything else is `internal`, with its cause for the log. */
export function toServerFault(error: unknown): Fault {
  if (error instanceof Fault) return error
  if (isDatabaseUnavailable(error))
    return new Fault(
      'unavailable',
      { detail: 'The database is not reachable: try again', retry_after_ms: RETRY_MS },
      error,
    )
  return new Fault('internal', {}, error)
}

// NotWritablePrimary, interruptions of a stepdown or shutdown, a cursor that a restart took away, a majority that can't be read yet, and
// write concerns that weren't satisfied in time
const passing = new Set([
  6, 7, 43, 50, 64, 89, 91, 112, 133, 134, 175, 189, 237, 262, 9001, 10107, 11600, 11602, 13435,
  13436,
])

const unreachable = [
  MongoNetworkError,
  MongoSystemError, // server selection
  MongoOperationTimeoutError,
  MongoNotConnectedError,
  MongoServerClosedError, // a member that left the replica set while something waited for it
  MongoStalePrimaryError,
  MongoTopologyClosedError,
  MongoClientClosedError,
]

/** The driver's errors of its connection pools have no public classes. */
const pooled = new Set(['MongoPoolClosedError', 'MongoWaitQueueTimeoutError'])

/** Nothing but the database itself is at fault: it is away, electing or too slow, for everybody. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (error instanceof MongoServerError)
    return passing.has(Number(error.code)) || error.hasErrorLabel('RetryableWriteError')
  return unreachable.some((kind) => error instanceof kind) || isUnwrapped(error)
}

/** A connection that broke while something was written to it: the driver passes on what the system said. */
const isUnwrapped = (error: unknown): boolean =>
  error instanceof Error && (('syscall' in error && 'errno' in error) || pooled.has(error.name))
