// Which changes the reducers here know. A newer server may send others: they say that an entity has changed, and not how.
import type { AccountChanges } from '../account.ts'
import type { AgentChanges } from '../agents.ts'
import type { Change } from '../change.ts'
import type { ConversationChanges } from '../conversations.ts'
import type { PreferencesChanges } from '../preferences.ts'
import type { Topic } from '../topics.ts'

interface Changes {
  conversations: ConversationChanges
  preferences: PreferencesChanges
  agents: AgentChanges
  account: AccountChanges
}

const ops: { [T in Topic]: Record<keyof Changes[T], true> } = {
  conversations: {
    created: true,
    updated: true,
    extended: true,
    finished: true,
    deleted: true,
    restored: true,
    purged: true,
  },
  preferences: { updated: true },
  agents: { created: true, extended: true, finished: true, deleted: true },
  account: {
    session_created: true,
    session_revoked: true,
    renamed: true,
    password_changed: true,
    closed: true,
  },
}

/** False: reducing it would miss what it did, so the entity has to be loaded. Fields that aren't known change nothing of this. */
export const isKnown = ({ topic, op }: Pick<Change, 'topic' | 'op'>): boolean =>
  Object.hasOwn(ops[topic], op)
