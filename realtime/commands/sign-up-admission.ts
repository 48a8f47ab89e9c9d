// Who may make an account (SIGN_UP). The invitation is checked before the name, so that nobody
// without one learns which names exist.
import type { SignUp } from '@lockstep/protocol/account'
import { Fault } from '@lockstep/protocol/errors'
import { hashOf } from './secret-links.ts'
import type { Database } from '../store/database.ts'
import type { UserDocument } from '../store/documents.ts'
import { giveInvitationBack, hasInvitation, takeInvitation } from '../store/invitations.ts'

/** What a new account begins with. */
type NewState = Pick<UserDocument, 'waiting'>

export interface SignUpAdmission {
  /** Throws `not_found` if nobody may sign up, `invalid` at `invitation` without a valid one. */
  check(invitation: string | undefined): Promise<void>
  /** Makes an account; an invitation that makes none isn't used up. Throws like `check`. */
  admit<Account>(
    invitation: string | undefined,
    make: (state: NewState) => Promise<Account | undefined>,
  ): Promise<Account | undefined>
  /**
   * What a new account of a user of the host app begins with. An invitation can't travel through a
   * provider, so such an account waits for approval instead. Throws `unauthenticated` if nobody may
   * sign up.
   */
  ofHost(): NewState
}

export function createSignUpAdmission(database: Database, signUp: SignUp): SignUpAdmission {
  const check: SignUpAdmission['check'] = async (invitation = '') => {
    if (signUp === 'closed')
      throw new Fault('not_found', { detail: 'This server takes no new accounts' })
    if (signUp !== 'invite') return
    if (!(await hasInvitation(database, hashOf(invitation), new Date()))) throw notInvited()
  }
  return {
    check,
    async admit(invitation = '', make) {
      await check(invitation)
      if (signUp === 'approval') return make({ waiting: true })
      if (signUp !== 'invite') return make({})
      const id = hashOf(invitation)
      if (!(await takeInvitation(database, id, new Date()))) throw notInvited()
      const account = await make({}).catch(async (error: unknown) => {
        await giveInvitationBack(database, id)
        throw error
      })
      if (!account) await giveInvitationBack(database, id)
      return account
    },
    ofHost() {
      if (signUp === 'closed')
        throw new Fault('unauthenticated', { detail: 'This server takes no new accounts' })
      return signUp === 'open' ? {} : { waiting: true }
    },
  }
}

function notInvited(): Fault {
  const message = 'is not valid, or has been used: ask whoever runs this server for another one'
  return new Fault('invalid', {
    detail: `The invitation ${message}`,
    issues: [{ path: 'invitation', message }],
  })
}
