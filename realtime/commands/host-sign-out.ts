// The two directions in which signing out goes between this server and an OpenID Connect provider:
// a sign-in that ends there ends the sessions here that came from it, and a session that ends here
// knows which sign-in could end there.
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { markEnded } from '../auth/ended-sign-ins.ts'
import type { EndedHostSignIn } from '../auth/logout-token.ts'
import type { Database } from '../store/database.ts'
import type { HostSession, SessionDocument } from '../store/documents.ts'
import { findHostSessionsOf, findSession, findSessionsOfHost } from '../store/sessions.ts'
import { returnToken, spendToken, type TokenName } from '../store/spent-tokens.ts'
import { findUserOfHost } from '../store/users.ts'
import type { AccountUseCases } from './account.ts'

/** How long a logout token is remembered: longer than it is accepted (ms). */
const REMEMBER_MS = 15 * 60 * 1000

/** The actor in the log. */
const DEVICE = 'Sign-in provider'

export interface HostSignOut {
  /**
   * Ends the sessions that came from the sign-in, on every node. Throws `invalid` if the provider's
   * token was used before.
   * @param address the provider's
   */
  end(ended: EndedHostSignIn, address: string): Promise<void>
  /** The sign-in at the provider from which a session came. */
  signInOf(session_id: string): Promise<HostSession | undefined>
}

export function createHostSignOut({
  database,
  account,
}: {
  database: Database
  account: Pick<AccountUseCases, 'revoke'>
}): HostSignOut {
  async function sessionsOf({ issuer, subject, sid }: EndedHostSignIn): Promise<SessionDocument[]> {
    if (sid !== undefined) {
      const found = await findSessionsOfHost(database, { issuer, sid })
      return found.filter(({ host }) => subject === undefined || host?.subject === subject)
    }
    const user = await findUserOfHost(database, { issuer, subject: subject! })
    return user ? findHostSessionsOf(database, user._id, { issuer, subject: subject! }) : []
  }

  async function revoke(session: SessionDocument, address: string): Promise<void> {
    const { _id: session_id, user_id } = session
    const context = { user_id, session_id: null, device: DEVICE, address, mutation_id: newId() }
    await account.revoke(context, { session_id }).catch((error: unknown) => {
      // it has ended meanwhile
      if (!(error instanceof Fault && error.code === 'not_found')) throw error
    })
  }

  return {
    async end(ended, address) {
      const { issuer, jti } = ended
      const until = new Date(Date.now() + REMEMBER_MS)
      const token: TokenName = ['logout token', issuer, jti]
      if (!(await spendToken(database, token, until)))
        throw new Fault('invalid', { detail: 'This logout token was used before' })
      try {
        // first, for a session that is being started
        await markEnded(database, ended, until)
        for (const session of await sessionsOf(ended)) await revoke(session, address)
      } catch (error) {
        await returnToken(database, token)
        throw error
      }
    },
    signInOf: async (session_id) =>
      (await findSession(database, session_id, new Date()))?.host ?? undefined,
  }
}
