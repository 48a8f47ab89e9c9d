import type { AccountChanges, Session } from '../account.ts'
import type { Change } from '../change.ts'

/** What devices know of the account: the name, the sessions, and whether it is closed. */
export interface HeldAccount {
  username: string
  sessions: Session[]
  closed: boolean
}

/** Pure: account + change -> account. Repeating a change changes nothing. */
export function reduceAccount(held: HeldAccount, change: Change): HeldAccount {
  if (!change.data) return held
  switch (change.op) {
    case 'session_created': {
      const { session } = change.data as AccountChanges['session_created']
      return {
        ...held,
        sessions: [...held.sessions.filter(({ id }) => id !== session.id), session],
      }
    }
    case 'session_revoked': {
      const { session_id } = change.data as AccountChanges['session_revoked']
      return { ...held, sessions: held.sessions.filter(({ id }) => id !== session_id) }
    }
    case 'renamed':
      return { ...held, username: (change.data as AccountChanges['renamed']).username }
    case 'closed':
      return { ...held, closed: true }
    default:
      return held
  }
}
