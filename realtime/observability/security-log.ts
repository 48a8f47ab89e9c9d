// The security log: one line of JSON per event, among the server's other lines, with
// `"log":"security"`. It covers sign-ins, refusals and changes of rights, whatever LOG_LEVEL says.
// It never holds a password, a token or a cookie, nor a name that isn't an account's: people type
// passwords into the wrong field.
import type { Logger } from './logger.ts'

export interface SecurityEvent {
  /** The account's name; null if no account has the name that the visitor gave. */
  account?: string | null
  user_id?: string
  /** The visitor's network address; absent where a socket asked. */
  address?: string
  session_id?: string | null
  device?: string
  /** By what somebody signed in: such as `password`, `passkey` or `service key`. */
  way?: string
  /** The id of the session, token, passkey or webhook that was changed. */
  target?: string
  /** Why something was refused: the code of the error, or why the account can't sign in. */
  reason?: string
  /** The route's path as the table has it, or a namespace; never what a client sent. */
  route?: string
}

export interface SecurityLog {
  /** @param event such as `signed_in` or `sign_in_refused` */
  note(event: string, details: SecurityEvent): void
}

export function createSecurityLog(logger: Logger): SecurityLog {
  const level = logger.level === 'silent' ? 'silent' : 'info'
  const lines = logger.child({ log: 'security' }, { level })
  return { note: (event, details) => lines.info({ event, ...details }, `security: ${event}`) }
}
