// Requests the assistant's reply to a user's message as soon as the server has the message and no
// other reply is being written in the conversation. That may take a reconnect or a second attempt,
// and the user may have left the thread by then. Several messages that were written offline get one
// reply, to the last of them. The text of an unsent message is kept here, so that it isn't lost if
// its thread disappears. In an encrypted chat the server can't reply: nothing is requested there.
import type { ConversationView } from '@lockstep/client'
import { commands } from '../../stores/conversations.svelte.ts'

interface PendingReply {
  conversation_id: string
  agent: string | undefined
  content: string
}
/** By the id of the message to reply to. */
const pending = new Map<string, PendingReply>()
/** The mutation ids of the replies that were requested and not confirmed; refused ones stay. */
const requested = new Set<string>()
let unsubscribe: (() => void) | undefined

function requestDueReplies(): void {
  for (const [message_id, { conversation_id, agent, content }] of pending) {
    const view = commands.get(conversation_id)
    const isSent = view?.messages.findLast(({ id }) => id === message_id)?.delivery === 'sent'
    const isWaiting = commands.outbox.some(({ message_ids }) => message_ids.includes(message_id))
    if (isWaiting && !isSent) continue
    if (!isSent || !isLastOf(conversation_id, message_id) || isAnswered(view, message_id))
      pending.delete(message_id)
    else if (!isReplying(view)) {
      pending.delete(message_id)
      if (!view.encryption) requestReply(message_id, { conversation_id, agent, content })
    }
  }
  if (pending.size > 0) return
  unsubscribe?.()
  unsubscribe = undefined
}

/**
 * Another device may have requested a reply at the same moment. The refusal is then no news for the
 * user: the request waits until that reply has ended.
 */
function requestReply(message_id: string, reply: PendingReply): void {
  const { mutation_id, outcome } = commands.reply(reply.conversation_id, { agent: reply.agent })
  requested.add(mutation_id)
  void outcome.then((end) => {
    if (!end.ok && end.reason === 'failed' && end.problem.code === 'already_replying')
      requestReplyWhenSent(message_id, reply)
    else requested.delete(mutation_id)
  })
}

/** Whether this page requested the reply by itself, after a message was sent. */
export const isRequestedReply = (mutation_id: string): boolean => requested.has(mutation_id)

/** Whether a reply that began after the message has taken it into account. */
function isAnswered({ messages }: ConversationView, message_id: string): boolean {
  const position = messages.find(({ id }) => id === message_id)?.position ?? Infinity
  return messages.some(
    (message) =>
      message.role === 'assistant' && message.position > position && message.replaces === null,
  )
}

/** Whether no later message of the conversation waits for a reply. */
const isLastOf = (conversation_id: string, message_id: string): boolean =>
  [...pending].findLast(([, reply]) => reply.conversation_id === conversation_id)?.[0] ===
  message_id

/** Whether a reply is being written or has been requested. A second one would be refused. */
const isReplying = ({ messages, outbox }: ConversationView): boolean =>
  messages.some(({ status }) => status === 'streaming') ||
  outbox.some(({ command, status }) => command === 'reply' && status !== 'failed')

/**
 * Requests a reply once the message is sent. If the message is discarded, no reply is requested.
 */
export function requestReplyWhenSent(message_id: string, reply: PendingReply): void {
  pending.set(message_id, reply)
  unsubscribe ??= commands.subscribe(requestDueReplies)
}

/**
 * Whether, as far as this device knows, no reply to the newest message has been requested. This
 * happens if the tab that sent the message was closed before it could request the reply.
 */
export function lacksReply(conversation: ConversationView): boolean {
  const { messages, deleted_at } = conversation
  const last = messages.at(-1)
  if (
    deleted_at !== null ||
    conversation.encryption ||
    last?.role !== 'user' ||
    last.delivery !== 'sent' ||
    pending.has(last.id)
  )
    return false
  return !isReplying(conversation)
}

/** The content of a message that still waits to be sent. */
export const unsentText = (message_id: string): string | undefined =>
  pending.get(message_id)?.content
