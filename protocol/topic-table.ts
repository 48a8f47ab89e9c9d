// What each topic is on the wire, as one value: its changes, its commands, and what they answer.
// The unions of changes and commands, the sockets, AsyncAPI and the attack tests follow from it.
// `realtime/log/topic-table.ts` has what the server needs besides.
import * as z from 'zod'
import { accountChanges, accountCommands, unloggedAccountCommands } from './account.ts'
import { agentChanges, agentCommands, Run } from './agents.ts'
import { conversationChanges, conversationCommands, Summary } from './conversations.ts'
import { Preferences, preferencesChanges, preferencesCommands } from './preferences.ts'
import { recordChanges, recordCommands, StoredRecord } from './records.ts'
import { Produced } from './produce.ts'
import { ReplyIds } from './reply-ids.ts'
import type { RouteName } from './route-paths.ts'
import { Uuid } from './scalars.ts'
import type { Topic } from './topics.ts'

type Schemas = Record<string, z.ZodObject>

interface WireTopic<Changes = Schemas, Commands = Schemas, Unlogged = Schemas> {
  /** The schema of `data` for each op. Every topic has the op `closed` as well, see `Op`. */
  changes: Changes
  /**
   * The payload of each command, without the `mutation_id` that the wire adds. One command is one
   * change of the topic's log.
   */
  commands: Commands
  /** Commands that change nothing in the log. They need no `mutation_id`. */
  unlogged: Unlogged
  /** The route that runs each command over HTTP. Null: the command exists only on sockets. */
  routes: { [Name in keyof Commands]: RouteName | null }
  /** `data` in the ack of a command: the entity after the change. */
  ack: z.ZodType
  /** The commands whose acks differ: their `data`, or what they have beside it. */
  otherAcks?: { [Name in keyof Commands]?: OtherAck }
}

export interface OtherAck {
  data?: z.ZodType
  beside?: z.ZodObject
}

const gone = { data: z.null().describe('Nothing is left') }
const orGone = (entity: z.ZodType, name: string) =>
  entity.nullable().describe(`${name}; null if the command was repeated and it is gone by now`)

const topic = <Changes extends Schemas, Commands extends Schemas, Unlogged extends Schemas>(
  value: WireTopic<Changes, Commands, Unlogged>,
): WireTopic<Changes, Commands, Unlogged> => value

export const topicTable = {
  conversations: topic({
    changes: conversationChanges,
    commands: conversationCommands,
    unlogged: {},
    routes: {
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
    ack: orGone(Summary, 'The conversation'),
    otherAcks: { purge: gone, reply: { beside: ReplyIds }, produce: { beside: Produced } },
  }),
  preferences: topic({
    changes: preferencesChanges,
    commands: preferencesCommands,
    unlogged: {},
    routes: { update: 'putPreferences' },
    ack: Preferences.describe('All preferences'),
  }),
  agents: topic({
    changes: agentChanges,
    commands: agentCommands,
    unlogged: {},
    routes: { run: 'createRun', stop: 'stopRun', delete: 'deleteRun' },
    ack: orGone(Run, 'The run'),
    otherAcks: { delete: gone },
  }),
  account: topic({
    changes: accountChanges,
    commands: accountCommands,
    unlogged: unloggedAccountCommands,
    routes: { revoke: 'revokeSession' },
    ack: z
      .object({ session_id: Uuid.describe('The session') })
      .meta({ id: 'RevokedSession' })
      .describe('The session'),
  }),
  records: topic({
    changes: recordChanges,
    commands: recordCommands,
    unlogged: {},
    routes: { put: 'putRecord', patch: 'patchRecord', delete: 'deleteRecord' },
    ack: orGone(StoredRecord, 'The record'),
    otherAcks: { delete: gone },
  }),
} satisfies Record<Topic, WireTopic>
