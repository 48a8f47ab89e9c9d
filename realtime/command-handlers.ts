// Which use case executes each command of the protocol. A command without one is a type error.
import type { Agents } from './agents/agents.ts'
import type { AccountUseCases } from './commands/account.ts'
import type { CommandHandlers } from './commands/commands.ts'
import type { Conversations } from './commands/conversations.ts'
import type { PreferencesUseCases } from './commands/preferences.ts'
import type { RecordUseCases } from './commands/records.ts'
import type { RewindUseCases } from './commands/rewind.ts'

interface UseCases {
  conversations: Conversations
  rewind: RewindUseCases
  preferences: PreferencesUseCases
  account: AccountUseCases
  agents: Agents
  records: RecordUseCases
}

export const commandHandlers = ({
  conversations,
  rewind,
  preferences,
  account,
  agents,
  records,
}: UseCases): CommandHandlers => ({
  conversations: {
    create: (...args) => conversations.change('create', ...args),
    update: (...args) => conversations.change('update', ...args),
    append: (...args) => conversations.change('append', ...args),
    delete: (...args) => conversations.change('delete', ...args),
    delete_messages: (...args) => conversations.change('delete_messages', ...args),
    restore: (...args) => conversations.change('restore', ...args),
    purge: (...args) => conversations.change('purge', ...args),
    rewind: rewind.back,
    reply: agents.replies.reply,
    produce: agents.replies.produce,
    stop: agents.replies.stop,
  },
  preferences: { update: preferences.update },
  agents: {
    run: agents.useCases.run,
    stop: agents.useCases.stop,
    delete: agents.useCases.delete,
  },
  account: { revoke: account.revoke },
  records: { put: records.put, patch: records.patch, delete: records.delete },
})
