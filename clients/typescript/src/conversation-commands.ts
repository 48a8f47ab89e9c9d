// The commands of topic `conversations`, and what each will probably do to its conversation.
import type { DecisionContext } from '@lockstep/protocol/change'
import type { ConversationCommands } from '@lockstep/protocol/conversations'
import {
  decideConversations,
  type DecideConversation,
  type DecidedConversationCommand,
} from '@lockstep/protocol/decide/conversations'
import { Fault, toProblem } from '@lockstep/protocol/errors'
import type { MessageInput } from '@lockstep/protocol/message'
import type { Problem } from '@lockstep/protocol/problem'
import { isConversation, reduceConversation } from '@lockstep/protocol/reduce/conversation'
import type { KeptOf } from './command-keeper.ts'
import type { ConversationState } from './conversation-model.ts'
import { createCommand, type OutgoingCommand } from './outgoing-command.ts'
import { predictedChange } from './predicted-change.ts'

type Command = OutgoingCommand<ConversationState>
type Payload<Name extends keyof ConversationCommands> = ConversationCommands[Name]
type Update = Payload<'update'>
type Kept<Name extends keyof ConversationCommands> = KeptOf<Pick<ConversationCommands, Name>>

/** A command whose effect follows from the conversation and the payload. */
export function decidedCommand<Name extends Exclude<DecidedConversationCommand, 'update'>>(
  name: Name,
  payload: ConversationCommands[Name],
  entity_id: string,
  messages: readonly { id: string }[] = [],
): Command {
  const message_ids = messages.map(({ id }) => id)
  return createCommand<ConversationState>({
    name,
    payload,
    entity_id,
    message_ids,
    showsWhenFailed: message_ids.length > 0 || name === 'create',
    predict: (held, context) => predict(decideConversations[name], held, payload, context),
  })
}

/** A command whose effect only the server knows. */
export function undecidedCommand<
  Name extends Exclude<keyof ConversationCommands, DecidedConversationCommand>,
>(name: Name, payload: ConversationCommands[Name]): Command {
  return createCommand<ConversationState>({ name, payload, entity_id: payload.conversation_id })
}

/** Changes a conversation's fields, or edits messages. */
export function updateCommand(payload: Update): Command {
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
    withoutVersionCheck: () => updateCommand(edits ? { ...fields, messages: edits } : fields),
    ...(checksVersion && { findIgnoredEdit: (held) => findIgnoredEdit(held, messages ?? []) }),
  })
}

/** The command that an earlier engine has kept. */
export function keptCommand(kept: Kept<keyof ConversationCommands>): Command {
  if (kept.name === 'update') return updateCommand(kept.payload)
  return isDecided(kept) ? keptDecidedCommand(kept) : undecidedCommand(kept.name, kept.payload)
}

const isDecided = <Name extends keyof ConversationCommands>(
  kept: Kept<Name>,
): kept is Kept<Name & DecidedConversationCommand> => Object.hasOwn(decideConversations, kept.name)

function keptDecidedCommand<Name extends Exclude<DecidedConversationCommand, 'update'>>(
  kept: Kept<Name>,
): Command {
  const messages = kept.message_ids.map((id) => ({ id }))
  return decidedCommand(kept.name, kept.payload, kept.entity_id, messages)
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
