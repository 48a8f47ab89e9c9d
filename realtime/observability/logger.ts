// The server's logger writes structured lines to stdout. Callers never pass it message texts,
// cookies, passwords or tokens.
import { pino } from 'pino'

export type Logger = pino.Logger

/** @param level a level of pino: trace, debug, info, warn, error, fatal or silent */
export function createLogger(level: string): Logger {
  return pino({ level, base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime })
}
