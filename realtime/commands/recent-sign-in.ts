// What somebody could do at a device that was left open needs more than its session: a sign-in, or
// a proof of the same strength, a short time ago. Everything of that kind asks here.
import { Fault } from '@lockstep/protocol/errors'
import type { Caller } from '../log/entry.ts'
import type { Database } from '../store/database.ts'
import { confirmSession, findSession } from '../store/sessions.ts'

/** For how long a proof counts (ms). */
const RECENT_MS = 10 * 60 * 1000

export interface RecentSignIn {
  /**
   * Throws `invalid_credentials` if the caller has proven who it is too long ago.
   * @param action what was asked for, as in “sign in again, and …”
   */
  need(caller: Caller, action: string): Promise<void>
  /**
   * The caller has just proven who it is. Resolves to the time until which that counts. Throws
   * `unauthenticated` when the session has ended meanwhile.
   */
  confirmed(caller: Caller): Promise<Date>
}

export function createRecentSignIn(database: Database): RecentSignIn {
  return {
    async need({ session_id }, action) {
      const session = await findSession(database, session_id ?? '', new Date())
      const provenAt = session?.confirmed_at ?? session?.created_at
      if (!provenAt || Date.now() - provenAt.getTime() > RECENT_MS)
        throw new Fault('invalid_credentials', {
          detail: `Sign in again, and ${action} within 10 minutes`,
        })
    },
    async confirmed({ user_id, session_id }) {
      const now = new Date()
      if (!(await confirmSession(database, user_id, session_id ?? '', now)))
        throw new Fault('unauthenticated')
      return new Date(now.getTime() + RECENT_MS)
    },
  }
}
