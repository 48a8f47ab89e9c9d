// Accounts and sessions are documents that are right at once; the entries of topic `account` only
// tell of them. So the state that its commands decide on is the user's document and the newest
// entry.
import type { Op } from '@lockstep/protocol/change'
import { findLastAccountEntry } from '../../store/account-entries.ts'
import { findUser } from '../../store/users.ts'
import type { TopicState } from './topic-state.ts'
import type { ChangeDocument, UserDocument } from '../../store/documents.ts'

export interface AccountNeeds {
  /** The user's document. */
  user?: boolean
  /** The newest entry about the entity; with `ops`, the newest that has one of these ops. */
  lastEntry?: { ops?: readonly Op<'account'>[] }
}

export interface AccountState {
  user?: UserDocument
  lastEntry?: ChangeDocument
}

export const accountState: TopicState<AccountState, AccountNeeds> = {
  async load(database, { user_id }, entity_id, needs) {
    const user = needs.user ? await findUser(database, user_id) : null
    const lastEntry = needs.lastEntry
      ? await findLastAccountEntry(database, user_id, entity_id, needs.lastEntry.ops)
      : null
    return { user: user ?? undefined, lastEntry: lastEntry ?? undefined }
  },
  apply: (state) => state,
  versionOf: () => 1,
}
