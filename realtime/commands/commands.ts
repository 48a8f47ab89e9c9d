// The use case behind each command of the protocol's table. Sockets and HTTP call the same ones:
// one command is one change, completely or not at all. A command of the table that has no handler
// here is a type error.
import type { Session } from '@lockstep/protocol/account'
import type { Run } from '@lockstep/protocol/agents'
import type { CommandPayloads } from '@lockstep/protocol/commands'
import type { Preferences } from '@lockstep/protocol/preferences'
import type { Accepted } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'
import type { RecordOutcome } from './records.ts'
import type { CommandContext } from '../log/entry.ts'
import type { AnswerOptions, ConversationOutcome } from './conversation-outcome.ts'
import type { Outcome } from './outcome.ts'

interface Outcomes {
  conversations: ConversationOutcome
  preferences: Outcome<Preferences>
  /** null: the run is deleted. */
  agents: Outcome<Run | null>
  account: Outcome<{ session_id: Session['id'] }>
  records: RecordOutcome
}

/**
 * `payload` has been parsed by the command's schema. Only HTTP asks for more than the ack of a
 * socket contains.
 */
type Handler<Payload, Result> = (
  context: CommandContext,
  payload: Payload,
  options?: AnswerOptions,
) => Promise<Result>

export type CommandHandlers = {
  [T in Topic]: {
    [Name in keyof CommandPayloads[T]]: Handler<CommandPayloads[T][Name], Outcomes[T]>
  }
}

/** Runs a command whose payload has been parsed by the schema of that topic and name. */
export type Execute = (
  topic: Topic,
  name: string,
  context: CommandContext,
  payload: Record<string, unknown>,
) => Promise<Pick<Outcome, 'data' | 'seq' | 'version'> & Pick<ConversationOutcome, 'reply'>>

/** The ack of a command that has been executed. */
export const acceptedOf = ({
  data,
  seq,
  version,
  reply,
}: Awaited<ReturnType<Execute>>): Accepted => ({ ok: true, data, seq, version, ...reply })

/**
 * Declared as a method, because TypeScript lets the parameter of a method be narrower: each handler
 * takes a narrower payload than this.
 */
interface AnyHandler {
  run(context: CommandContext, payload: Record<string, unknown>): ReturnType<Execute>
}

/**
 * For sockets, which name their command at run time. A name without a schema never arrives here,
 * because the gateway rejects it.
 */
export function createExecute(handlers: CommandHandlers): Execute {
  const table: Record<Topic, Record<string, AnyHandler['run']>> = handlers
  return (topic, name, context, payload) => {
    const handler = table[topic][name]
    if (!handler) throw new Error(`no handler for ${topic}:${name}`)
    return handler(context, payload)
  }
}
