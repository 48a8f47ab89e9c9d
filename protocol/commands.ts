// All commands. Over sockets a command is an event of its topic's namespace. For each command, the
// types below require a handler (realtime/commands/commands.ts), a decision (decide/) and an attack
// (tests/attacks).
import * as z from 'zod'
import { Uuid } from './scalars.ts'
import { commandAckOf, requestAckOf } from './sync.ts'
import { topicTable, type OtherAck } from './topic-table.ts'
import { topics, type Topic } from './topics.ts'

type Payloads<Table> = { [Name in keyof Table]: z.infer<Table[Name]> }
/** The parsed payload by topic and name. */
export type CommandPayloads = { [T in Topic]: Payloads<(typeof topicTable)[T]['commands']> }
export type UnloggedPayloads = { [T in Topic]: Payloads<(typeof topicTable)[T]['unlogged']> }

/** A command as it comes over the wire. */
export interface WireCommand {
  /** With the `mutation_id`, which an unlogged command may leave out. */
  schema: z.ZodObject
  /** Its ack when it was done. */
  ack: z.ZodObject
  logged: boolean
}

const mutation_id = Uuid.describe('The command’s id: repeating it returns the first outcome')

const wireCommandsOf = (topic: Topic): ReadonlyMap<string, WireCommand> => {
  const { commands, unlogged, ack } = topicTable[topic]
  const otherAcks: Record<string, OtherAck> = topicTable[topic].otherAcks ?? {}
  const all = new Map<string, WireCommand>()
  for (const [name, payload] of Object.entries<z.ZodObject>(commands))
    all.set(name, {
      schema: payload.safeExtend({ mutation_id }),
      ack: commandAckOf(otherAcks[name]?.data ?? ack, otherAcks[name]?.beside),
      logged: true,
    })
  for (const [name, payload] of Object.entries<z.ZodObject>(unlogged))
    all.set(name, {
      schema: payload.safeExtend({ mutation_id: mutation_id.optional() }),
      ack: requestAckOf(z.null().describe('Nothing')),
      logged: false,
    })
  return all
}

/** All commands of each topic by name, as they come over the wire. */
export const wireCommands = Object.fromEntries(
  topics.map((topic) => [topic, wireCommandsOf(topic)]),
  // Assertion: `topics` has every topic.
) as Record<Topic, ReadonlyMap<string, WireCommand>>
