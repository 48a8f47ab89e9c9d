// The commands of topic `conversations`, and what each will probably do to its conversation.
import type { DecisionContext } from '@lockstep/protocol/change'
import type { ConversationCommands } from '@lockstep/protocol/conversations'
import {
  decideConversations,
  messagesOf,
  type DecideConversation,
  type DecidedConversationCommand,
} from '@lockstep/protocol/decide/conversations'
import { Fault, toProblem } from '@lockstep/protocol/errors'
import type { MessageInput } from '@lockstep/protocol/message'
import type { Problem } from '@lockstep/protocol/problem'
import { isConversation, reduceConversation } from '@lockstep/protocol/reduce/conversation'
import type { ConversationState } from './conversation-model.ts'
import { createCommand, type CommandTable, type OutgoingCommand } from './outgoing-command.ts'
import { predictedChange } from './predicted-change.ts'

type Command = OutgoingCommand<ConversationState>
type Payload<Name extends keyof ConversationCommands> = ConversationCommands[Name]
type Update = Payload<'update'>

interface Named {
  id?: string
  conversation_id?: string
  message?: MessageInput
  messages?: MessageInput[]
}

/** A command whose effect follows from the conversation and the payload. */
const decided =
  <Name extends Exclude<DecidedConversationCommand, 'update'>>(name: Name) =>
  (payload: Payload<Name>): Command => {
    const { id = '', conversation_id = id, ...named }: Named = payload
    const message_ids = messagesOf(named).flatMap(({ id }) => id ?? [])
    return createCommand<ConversationState>({
      name,
      payload,
      entity_id: conversation_id,
      message_ids,
      showsWhenFailed: message_ids.length > 0 || name === 'create',
      predict: (held, context) => predict(decideConversations[name], held, payload, context),
    })
  }

/** A command whose effect only the server knows. */
const undecided =
  <Name extends Exclude<keyof ConversationCommands, DecidedConversationCommand>>(name: Name) =>
  (payload: Payload<Name>): Command =>
    createCommand<ConversationState>({ name, payload, entity_id: payload.conversation_id })

/** Changes a conversation's fields, or edits messages. */
function update(payload: Update): Command {
  const { messages, if_version: _ifVersion, ...fields } = payload
  const message_ids = messages?.flatMap(({ id }) => id ?? []) ?? []
  const checksVersion = messages?.some(({ version }) => version !== undefined) ?? false
  const edits = messages?.map(({ version: _version, ...message }) => message)
  return createCommand<ConversationState>({
    name: 'update',
    payload,
    entity_id: payload.conversation_id,
    message_ids,
    showsWhenFailed: message_ids.length > 0,
    predict: (held, context) =>
      predict(decideConversations.update, held, withoutUnknownEdits(held, payload), context),
    withoutVersionCheck: () => update(edits ? { ...fields, messages: edits } : fields),
    ...(checksVersion && { findIgnoredEdit: (held) => findIgnoredEdit(held, messages ?? []) }),
  })
}

/** What a command is made of: it names its conversation and its new messages. */
export const conversationCommands: CommandTable<ConversationState, ConversationCommands> = {
  create: decided('create'),
  update,
  append: decided('append'),
  delete_messages: decided('delete_messages'),
  delete: decided('delete'),
  restore: decided('restore'),
  purge: decided('purge'),
  rewind: undecided('rewind'),
  reply: undecided('reply'),
  stop: undecided('stop'),
  produce: undecided('produce'),
}

function predict<Name extends DecidedConversationCommand>(
  decide: DecideConversation<Name>,
  held: ConversationState | undefined,
  payload: ConversationCommands[Name],
  context: DecisionContext,
): ConversationState | undefined {
  const decision = decide(held, payload, context)
  if (!decision) return held
  return reduceConversation(held, predictedChange('conversations', decision, context))
}

/**
 * Leaves out edits of messages before the window. They can't be shown, and `decide` would take them
 * for new messages.
 */
function withoutUnknownEdits(held: ConversationState | undefined, payload: Update): Update {
  if (!payload.messages || !held || !isConversation(held)) return payload
  const known = new Set(held.messages.map(({ id }) => id))
  const messages = payload.messages.filter(({ id }) => id !== undefined && known.has(id))
  return { ...payload, messages }
}

/**
 * The server accepts an update whose edit names an old version, and ignores the edit (contract:
 * "PUT with `messages` merges by id").
 */
function findIgnoredEdit(
  held: ConversationState | undefined,
  messages: readonly MessageInput[],
): Problem | undefined {
  if (!held || !isConversation(held)) return undefined
  for (const { id, content } of messages) {
    const current = held.messages.find((message) => message.id === id)
    if (current && content !== undefined && current.content !== content)
      return toProblem(new Fault('version_conflict', { current }))
  }
  return undefined
}
