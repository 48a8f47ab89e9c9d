// The server's logger writes lines of JSON to stdout, or text where a person reads them. Callers
// never pass it message texts, cookies, passwords or tokens.
import { pino, type DestinationStream } from 'pino'
import { safeError } from './safe-error.ts'

export type Logger = pino.Logger

/**
 * @param level a level of pino: trace, debug, info, warn, error, fatal or silent
 * @param destination gets each line as JSON; default: stdout
 */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const timestamp = pino.stdTimeFunctions.isoTime
  const serializers = { err: safeError, error: safeError }
  return pino({ level, base: { pid: process.pid }, timestamp, serializers }, destination)
}
