// Signing in with a passkey, and the second step after a password.
import type { PasskeyOptions, PasskeyProof } from '@lockstep/protocol/passkeys'
import { relyingParty, unproven, type WebAuthn } from '../auth/webauthn.ts'
import type { Database } from '../store/database.ts'
import { findPasskeys } from '../store/passkeys.ts'
import { findUser } from '../store/users.ts'
import type { Proofs } from './proofs.ts'
import { lateTicket, type SecondStepTickets } from './second-step-tickets.ts'
import type { SecurityChanges } from './security-changes.ts'
import type { SignIn, SignInContext, SignInResult } from './sign-in.ts'

/** A visitor, and the origin of the page that asks. */
export type PageVisitor = SignInContext & { origin: string }

export interface OtherSignIn {
  /**
   * What a browser needs to sign in with a passkey, or to do the second step with one. Faults:
   * `invalid` where no passkey can be, `invalid_credentials` for a ticket that isn't good any more.
   * @param origin of the page that asks
   * @param ticket of the first step, if that was done
   */
  begin(origin: string, ticket: string | undefined): Promise<PasskeyOptions>
  /** Faults: `invalid_credentials`, `rate_limited`. */
  withPasskey(visitor: PageVisitor, answer: PasskeyProof): Promise<SignInResult>
  /** Faults: `invalid_credentials`, `rate_limited`. */
  secondStep(
    visitor: PageVisitor,
    given: { ticket: string; code?: string; passkey?: PasskeyProof },
  ): Promise<SignInResult>
}

const SIGN_IN = ['sign-in'] as const
const secondStepOf = (user_id: string) => ['second step', user_id] as const

export function createOtherSignIn(deps: {
  database: Database
  account: Pick<SignIn, 'startFor'>
  proofs: Proofs
  webAuthn: WebAuthn
  tickets: SecondStepTickets
  securityChanges: SecurityChanges
}): OtherSignIn {
  const { database, account, proofs, webAuthn, tickets, securityChanges } = deps
  return {
    async begin(origin, ticket) {
      if (ticket === undefined)
        return webAuthn.requestOptions({ origin, purpose: SIGN_IN }, [], true)
      const { user } = await tickets.open(ticket)
      const passkeys = await findPasskeys(database, user._id)
      const here = relyingParty(origin)
      return webAuthn.requestOptions(
        { origin, purpose: secondStepOf(user._id) },
        passkeys.filter(({ rp_id }) => rp_id === here),
        false,
      )
    },

    async withPasskey(visitor, answer) {
      const { origin, address } = visitor
      const ceremony = { origin, purpose: SIGN_IN }
      const user_id = await proofs.passkey(ceremony, answer, { address, alone: true })
      const user = await findUser(database, user_id)
      if (!user) throw unproven()
      return account.startFor(user, visitor, ['passkey', answer.id])
    },

    async secondStep(visitor, { ticket, code, passkey }) {
      const { user, use } = await tickets.open(ticket)
      const { origin, address } = visitor
      const { _id: of } = user
      const way =
        passkey === undefined
          ? await proofs.code(user, code ?? '')
          : await proofs.passkey({ origin, purpose: secondStepOf(of) }, passkey, {
              ...{ address, of, alone: false },
            })
      if (!(await use())) throw lateTicket()
      const result = await account.startFor(user, visitor, ['second step', of])
      if (way === 'recovery_code') {
        const context = { ...visitor, user_id: of, session_id: result.session.id }
        await securityChanges.tellMeanwhile(context, 'recovery_code_used')
      }
      return result
    },
  }
}
