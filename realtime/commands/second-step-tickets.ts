// Between the two steps of a sign-in: a ticket shows that the password was right. It is worth
// nothing after a change of the password, and counts once.
import { createHash } from 'node:crypto'
import { Fault } from '@lockstep/protocol/errors'
import type { SecondStepDemand } from '@lockstep/protocol/passkeys'
import type { Tickets } from '../auth/tickets.ts'
import type { Database } from '../store/database.ts'
import type { UserDocument } from '../store/documents.ts'
import { findPasskeys } from '../store/passkeys.ts'
import { findUser } from '../store/users.ts'

const SECONDS = 300
const PURPOSE = ['second step'] as const

export interface SecondStepTickets {
  /** The fault that asks a user, whose password was right, for the second step. */
  demand(user: UserDocument): Promise<Fault>
  /** The user whose ticket it is. Throws `invalid_credentials` if it isn't good any more. */
  open(ticket: string): Promise<{ user: UserDocument; use(): Promise<boolean> }>
}

export function createSecondStepTickets(database: Database, tickets: Tickets): SecondStepTickets {
  return {
    async demand(user) {
      const passkeys = await findPasskeys(database, user._id)
      const { totp, recovery_codes = [] } = user.second_step ?? {}
      const ways: SecondStepDemand['ways'] = [
        ...(totp ? (['code'] as const) : []),
        ...(passkeys.length > 0 ? (['passkey'] as const) : []),
        ...(recovery_codes.length > 0 ? (['recovery_code'] as const) : []),
      ]
      const ticket = await tickets.issue(PURPOSE, SECONDS, `${user._id} ${digestOf(user)}`)
      return new Fault('second_step_required', { second_step: { ticket, ways } })
    },
    async open(text) {
      const ticket = await tickets.open(text, PURPOSE, SECONDS)
      const [user_id = '', digest] = ticket?.content.split(' ') ?? []
      const user = ticket && (await findUser(database, user_id))
      if (!user || digest !== digestOf(user)) throw lateTicket()
      return { user, use: ticket.use }
    },
  }
}

export const lateTicket = (): Fault =>
  new Fault('invalid_credentials', { detail: 'That took too long: begin the sign-in again' })

/** The ticket is in a visitor's hands, so it doesn't hold the hash itself. */
const digestOf = ({ _id, password_hash = '' }: UserDocument): string =>
  createHash('sha256').update(`${_id} ${password_hash}`).digest('base64url')
