// The one table of commands. Over sockets a command is an event of its topic's namespace;
// `commandRoutes` says which route does the same over HTTP. For each command, the types below
// require a handler (realtime/commands/commands.ts), a decision (decide/) and an attack
// (tests/attacks).
import type * as z from 'zod'
import { accountCommands, unloggedAccountCommands } from './account.ts'
import { agentCommands } from './agents.ts'
import { conversationCommands } from './conversations.ts'
import { preferencesCommands } from './preferences.ts'
import { recordCommands } from './records.ts'
import type { RouteName } from './route-paths.ts'
import { Uuid } from './scalars.ts'
import type { Topic } from './topics.ts'

/**
 * The payload of each command, without the `mutation_id` that the wire adds. One command is one
 * change of its topic's log.
 */
const commands = {
  conversations: conversationCommands,
  preferences: preferencesCommands,
  agents: agentCommands,
  account: accountCommands,
  records: recordCommands,
} satisfies Record<Topic, Record<string, z.ZodObject>>

/** Commands that change nothing in the log. They need no `mutation_id`. */
const unloggedCommands = {
  conversations: {},
  preferences: {},
  agents: {},
  account: unloggedAccountCommands,
  records: {},
} satisfies Record<Topic, Record<string, z.ZodObject>>

type PayloadsOf<Table extends Record<Topic, Record<string, z.ZodObject>>> = {
  [T in Topic]: { [Name in keyof Table[T]]: z.infer<Table[T][Name]> }
}
/** The parsed payload by topic and name. */
export type CommandPayloads = PayloadsOf<typeof commands>
export type UnloggedPayloads = PayloadsOf<typeof unloggedCommands>

/** The route that runs the command over HTTP. Null: the command exists only on sockets. */
export const commandRoutes: {
  [T in Topic]: { [Name in keyof CommandPayloads[T]]: RouteName | null }
} = {
  conversations: {
    create: 'createConversation',
    update: 'putConversation',
    append: 'appendMessages',
    delete: 'deleteConversation',
    delete_messages: 'deleteMessage',
    restore: 'restoreConversation',
    rewind: 'rewindConversation',
    purge: 'purgeConversation',
    reply: 'startReply',
    produce: 'produceReply',
    stop: 'stopReply',
  },
  preferences: { update: 'putPreferences' },
  agents: { run: 'createRun', stop: 'stopRun', delete: 'deleteRun' },
  account: { revoke: 'revokeSession' },
  records: { put: 'putRecord', patch: 'patchRecord', delete: 'deleteRecord' },
}

/** A command as it comes over the wire. */
export interface WireCommand {
  /** With the `mutation_id`, which an unlogged command may leave out. */
  schema: z.ZodObject
  logged: boolean
}

const mutation_id = Uuid.describe('The command’s id: repeating it returns the first outcome')

const wireCommandsOf = (topic: Topic): ReadonlyMap<string, WireCommand> => {
  const all = new Map<string, WireCommand>()
  for (const [name, payload] of Object.entries<z.ZodObject>(commands[topic]))
    all.set(name, { schema: payload.safeExtend({ mutation_id }), logged: true })
  for (const [name, payload] of Object.entries<z.ZodObject>(unloggedCommands[topic]))
    all.set(name, {
      schema: payload.safeExtend({ mutation_id: mutation_id.optional() }),
      logged: false,
    })
  return all
}

/** All commands of each topic by name, as they come over the wire. */
export const wireCommands: Record<Topic, ReadonlyMap<string, WireCommand>> = {
  conversations: wireCommandsOf('conversations'),
  preferences: wireCommandsOf('preferences'),
  agents: wireCommandsOf('agents'),
  account: wireCommandsOf('account'),
  records: wireCommandsOf('records'),
}
