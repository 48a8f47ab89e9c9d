// The house's logger: structured lines to stdout. Nobody passes it message texts, cookies, passwords or tokens.
import { pino } from 'pino'

export type Logger = pino.Logger

/** @param level pino's: trace, debug, info, warn, error, fatal, silent */
export function createLogger(level: string): Logger {
  return pino({ level, base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime })
}
