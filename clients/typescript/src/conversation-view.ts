// What is shown of a conversation: its state, the delivery of its commands, and streamed text over its messages.
import type { Conversation, Summary } from '@lockstep/protocol/conversations'
import { summaryOf } from '@lockstep/protocol/decide/conversations'
import type { Message } from '@lockstep/protocol/message'
import type { PendingCommand } from './outbox.ts'
import type { StreamedText } from './streamed-text.ts'
import type {
  ConversationView,
  Delivery,
  ListState,
  MessageView,
  OutboxItem,
  SummaryView,
} from './views.ts'

// A message that is confirmed and at rest is shown by the same object each time, so that a page renders only what changed.
const atRest = new WeakMap<Message, MessageView>()

export interface ConversationParts {
  held: Conversation
  entries: readonly PendingCommand[]
  outbox: readonly OutboxItem[]
  overlay: StreamedText
  windowed: boolean
  loading: boolean
}

export function conversationView({
  held,
  entries,
  outbox,
  overlay,
  windowed,
  loading,
}: ConversationParts): ConversationView {
  const waiting = new Map(
    entries.flatMap((entry) =>
      entry.status === 'acked' ? [] : entry.message_ids.map((id) => [id, entry] as const),
    ),
  )
  const messages = held.messages.map((message) =>
    messageView(message, waiting.get(message.id), overlay),
  )
  return { ...held, messages, delivery: deliveryOf(entries), windowed, loading, outbox }
}

export const summaryView = (
  held: Conversation,
  entries: readonly PendingCommand[],
): SummaryView => ({
  ...summaryOf(held),
  delivery: deliveryOf(entries),
})

function messageView(
  message: Message,
  entry: PendingCommand | undefined,
  overlay: StreamedText,
): MessageView {
  if (entry) return { ...message, delivery: deliveryOf([entry]), mutation_id: entry.mutation_id }
  if (message.status === 'streaming') {
    const content = overlay.over(message.id, message.content)
    const thinking_since = overlay.thinkingSince(message.id, content.length)
    return {
      ...message,
      content,
      delivery: 'sent',
      ...(thinking_since !== undefined && { thinking_since }),
    }
  }
  let view = atRest.get(message)
  if (!view) atRest.set(message, (view = { ...message, delivery: 'sent' }))
  return view
}

const worstFirst = ['failed', 'queued', 'sending'] as const

export function deliveryOf(entries: readonly PendingCommand[]): Delivery {
  return worstFirst.find((status) => entries.some((entry) => entry.status === status)) ?? 'sent'
}

/** The list that shows a conversation. */
export function listOf({ deleted_at, archived }: Summary): ListState {
  if (deleted_at !== null) return 'trash'
  return archived ? 'archived' : 'active'
}

/** Newest first; ids break ties, as in the server's lists. */
export function newestFirst(a: Summary, b: Summary): number {
  if (a.updated_at !== b.updated_at) return a.updated_at < b.updated_at ? 1 : -1
  return a.id < b.id ? 1 : -1
}
