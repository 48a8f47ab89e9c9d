// Driver errors become faults of the table here, once, for both boundaries.
import {
  MongoClientClosedError,
  MongoNetworkError,
  MongoNotConnectedError,
  MongoOperationTimeoutError,
  MongoServerError,
  MongoSystemError,
  MongoTopologyClosedError,
} from 'mongodb'
import { Fault } from '../../protocol/errors.ts'

const RETRY_MS = 1_000

/** Faults stay; a database that is away, electing or too slow is `unavailable`; everything else is `internal`, with its cause for the log. */
export function toFault(error: unknown): Fault {
  if (error instanceof Fault) return error
  if (isAway(error))
    return new Fault(
      'unavailable',
      { detail: 'The database is not reachable: try again', retry_after_ms: RETRY_MS },
      error,
    )
  return new Fault('internal', {}, error)
}

// NotWritablePrimary, interruptions of a stepdown or shutdown, and write concerns that weren't satisfied in time
const passing = new Set([6, 7, 50, 64, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436])

const unreachable = [
  MongoNetworkError,
  MongoSystemError, // server selection
  MongoOperationTimeoutError,
  MongoNotConnectedError,
  MongoTopologyClosedError,
  MongoClientClosedError,
]

function isAway(error: unknown): boolean {
  if (error instanceof MongoServerError)
    return passing.has(Number(error.code)) || error.hasErrorLabel('RetryableWriteError')
  return unreachable.some((kind) => error instanceof kind) || isUnwrapped(error)
}

/**
 * What the driver has no public class for: a connection that broke while something was written to it, which it passes on as the system
 * says it, and a pool whose connections all wait for a mute server.
 */
const isUnwrapped = (error: unknown): boolean =>
  error instanceof Error && (('syscall' in error && 'errno' in error) || error.name === 'MongoWaitQueueTimeoutError')
