import type { Session } from '../account.ts'
import type { WireChange } from '../change.ts'
import { isKnownOf } from '../known-change.ts'

/** What devices know of the account: the name, the sessions, and whether the account is closed. */
export interface HeldAccount {
  username: string
  sessions: Session[]
  closed: boolean
  /** The account’s version at the last change of how the user signs in, if one was seen. */
  security_version?: number
}

/** Pure: account + change -> account. Applying a change a second time changes nothing. */
export function reduceAccount(held: HeldAccount, change: WireChange): HeldAccount {
  if (!isKnownOf('account', change) || !change.data) return held
  switch (change.op) {
    case 'session_created': {
      const { session, replaces } = change.data
      const others = held.sessions.filter(({ id }) => id !== session.id && id !== replaces)
      return { ...held, sessions: [...others, session] }
    }
    case 'session_revoked': {
      const { session_id } = change.data
      return { ...held, sessions: held.sessions.filter(({ id }) => id !== session_id) }
    }
    case 'renamed':
      return { ...held, username: change.data.username }
    case 'security_changed':
      return { ...held, security_version: change.version }
    case 'closed':
      return { ...held, closed: true }
    case 'password_changed':
      return held
    default:
      change satisfies never
      return held
  }
}
