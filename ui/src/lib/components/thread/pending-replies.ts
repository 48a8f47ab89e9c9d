// Requests the assistant's reply to a user's message as soon as the server has the message. That
// may take a reconnect or a second attempt, and the user may have left the thread by then. The text
// of an unsent message is kept here, so that it isn't lost if its thread disappears.
import type { ConversationView } from '@lockstep/client'
import { commands } from '../../stores/conversations.svelte.ts'

interface PendingReply {
  conversation_id: string
  agent: string | undefined
  content: string
}
/** By the id of the message to reply to. */
const pending = new Map<string, PendingReply>()
let unsubscribe: (() => void) | undefined

function requestDueReplies(): void {
  for (const [message_id, { conversation_id, agent }] of pending) {
    const view = commands.get(conversation_id)
    const isSent = view?.messages.findLast(({ id }) => id === message_id)?.delivery === 'sent'
    const isWaiting = commands.outbox.some(({ message_ids }) => message_ids.includes(message_id))
    if (isWaiting && !isSent) continue
    pending.delete(message_id)
    if (isSent) commands.reply(conversation_id, { agent })
  }
  if (pending.size > 0) return
  unsubscribe?.()
  unsubscribe = undefined
}

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
export function lacksReply({ messages, outbox, deleted_at }: ConversationView): boolean {
  const last = messages.at(-1)
  if (
    deleted_at !== null ||
    last?.role !== 'user' ||
    last.delivery !== 'sent' ||
    pending.has(last.id)
  )
    return false
  if (messages.some(({ status }) => status === 'streaming')) return false
  return !outbox.some(({ command, status }) => command === 'reply' && status !== 'failed')
}

/** The content of a message that still waits to be sent. */
export const unsentText = (message_id: string): string | undefined =>
  pending.get(message_id)?.content
