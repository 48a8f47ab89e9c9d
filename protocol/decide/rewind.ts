// Pure: how a conversation is brought back to an earlier moment. Nothing is erased. The change
// gives the fields and messages that have been edited since then their former values, under new
// versions. Messages that came later stay, and so do positions and ids.
//
// `held` must contain every streaming message, and all messages that were written after the moment.
// `then` is the conversation at that moment, as undoing the log gives it.
import type { DecisionContext } from '../change.ts'
import { UNFINISHED, type Conversation, type ConversationFields } from '../conversations.ts'
import { Fault } from '../errors.ts'
import { equalJson } from '../free-form.ts'
import type { Message } from '../message.ts'
import type { HeldConversation } from '../reduce/conversation.ts'
import { live, updated, type ConversationDecision } from './conversations.ts'

/**
 * undefined: the conversation hasn't changed since then. Throws `already_replying` while a message
 * is streaming, `not_found` for a conversation that doesn't exist or is in the trash.
 */
export function decideRewind(
  held: HeldConversation,
  then: Conversation,
  context: DecisionContext,
): ConversationDecision | undefined {
  const conversation = live(held)
  if (conversation.messages.some(({ status }) => status === 'streaming'))
    throw new Fault('already_replying')
  const earlier = new Map(then.messages.map((message) => [message.id, message]))
  const replaced = conversation.messages.filter((message) =>
    differs(message, earlier.get(message.id)),
  )
  const edited = replaced.map(({ parts: _parts, ...message }) => {
    const { content, status, metadata, parts } = earlier.get(message.id)!
    return {
      ...message,
      content,
      ...(parts && { parts }),
      status,
      metadata,
      version: message.version + 1,
      updated_at: context.at,
    }
  })
  const changes = {
    messages: [...edited, ...broughtBack(conversation, earlier, context)].sort(byPosition),
    replaced,
    removed: deletedThen(conversation, then),
  }
  return updated(conversation, fieldsOf(conversation, then), changes, context)
}

const byPosition = (one: Message, other: Message): number => one.position - other.position

/** Messages that were there and have been deleted since. */
const broughtBack = (
  { removed = [] }: Conversation,
  earlier: ReadonlyMap<string, Message>,
  { at }: DecisionContext,
): Message[] =>
  removed.flatMap(({ id, version }) => {
    const message = earlier.get(id)
    if (!message) return []
    const status = message.status === 'streaming' ? 'interrupted' : message.status
    return { ...message, status, version: version + 1, updated_at: at }
  })

/** Messages that were deleted and have been brought back since. */
function deletedThen({ messages }: Conversation, { removed = [] }: Conversation): Message[] {
  const ids = new Set(removed.map(({ id }) => id))
  return messages.filter(({ id }) => ids.has(id))
}

/** A reply that was streaming at that moment has ended since then. That isn't undone. */
const differs = (message: Message, earlier: Message | undefined): boolean =>
  earlier !== undefined &&
  earlier.status !== 'streaming' &&
  (message.content !== earlier.content ||
    message.status !== earlier.status ||
    !equalJson(message.parts ?? [], earlier.parts ?? []) ||
    !equalJson(message.metadata, earlier.metadata))

function fieldsOf(conversation: Conversation, then: Conversation): ConversationFields {
  const { title, pinned, archived } = then
  // an import that has ended since then must not become unfinished again
  const { [UNFINISHED]: _unfinished, ...metadata } = then.metadata
  return {
    ...(title !== conversation.title && { title }),
    ...(!equalJson(metadata, conversation.metadata) && { metadata }),
    ...(pinned !== conversation.pinned && { pinned }),
    ...(archived !== conversation.archived && { archived }),
  }
}
