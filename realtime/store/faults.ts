// Turns errors of the driver into faults of the contract, for HTTP and sockets alike.
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
import { TimeOver } from './time-budget.ts'

const RETRY_MS = 1_000
const FULL_DISK_RETRY_MS = 5_000
const TOO_LONG_RETRY_MS = 5_000
const OUT_OF_DISK_SPACE = 14_031
const MAX_TIME_EXPIRED = 50

/**
 * A fault stays as it is. If the database is unreachable, electing or too slow, or if its disk is
 * full, the fault is `unavailable`. Everything else is `internal`, with the error as its cause for
 * the log.
 */
export function toServerFault(error: unknown): Fault {
  if (error instanceof Fault) return error
  if (isDiskFull(error))
    return new Fault(
      'unavailable',
      {
        detail:
          'The server’s disk is full: reading goes on, but nothing can be saved until there is room',
        retry_after_ms: FULL_DISK_RETRY_MS,
      },
      error,
    )
  if (isTimeOver(error)) return tookTooLong(error)
  if (isDatabaseUnavailable(error))
    return new Fault(
      'unavailable',
      { detail: 'The database is not reachable: try again', retry_after_ms: RETRY_MS },
      error,
    )
  return new Fault('internal', {}, error)
}

const tookTooLong = (error: unknown): Fault =>
  new Fault(
    'unavailable',
    {
      detail: 'This takes the database too long: ask for less, or try again later',
      retry_after_ms: TOO_LONG_RETRY_MS,
    },
    error,
  )

/** Whether the database ended a read because it took longer than allowed. */
const isTimeOver = (error: unknown): boolean =>
  error instanceof TimeOver ||
  (error instanceof MongoServerError && error.code === MAX_TIME_EXPIRED)

/** Whether a write was refused because the database's disk is full. Reads go on. */
export const isDiskFull = (error: unknown): boolean =>
  error instanceof MongoServerError && error.code === OUT_OF_DISK_SPACE

// errors that pass: NotWritablePrimary, interruptions by a stepdown or a shutdown, a cursor that a
// restart has removed, a majority that can't be read yet, and write concerns that weren't satisfied
// in time
const passing = new Set([
  6, 7, 43, 64, 89, 91, 112, 133, 134, 175, 189, 237, 262, 9001, 10107, 11600, 11602, 13435, 13436,
])

const unreachable = [
  MongoNetworkError,
  MongoSystemError, // server selection
  MongoOperationTimeoutError,
  MongoNotConnectedError,
  MongoServerClosedError, // a member left the replica set while something waited for it
  MongoStalePrimaryError,
  MongoTopologyClosedError,
  MongoClientClosedError,
]

/** The driver exports no classes for the errors of its connection pools. */
const pooled = new Set(['MongoPoolClosedError', 'MongoWaitQueueTimeoutError'])

/**
 * Whether the database itself is at fault: it is unreachable, electing or too slow, for everybody.
 */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (error instanceof MongoServerError)
    return passing.has(Number(error.code)) || error.hasErrorLabel('RetryableWriteError')
  return unreachable.some((kind) => error instanceof kind) || isUnwrapped(error)
}

/** If a connection breaks during a write, the driver throws the system's error unwrapped. */
const isUnwrapped = (error: unknown): boolean =>
  error instanceof Error && (('syscall' in error && 'errno' in error) || pooled.has(error.name))
