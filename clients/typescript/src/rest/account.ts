// REST reads of the account.
import type { Call } from './call.ts'

/** Who is signed in, and the head of topic `account`. Throws `unauthenticated`. */
export const getMe = (call: Call) => call('getMe')

/** The signed-in devices. */
export const listSessions = (call: Call) => call('listSessions')
