// What programs see of a conversation: its state, the delivery of its commands, and streamed text
// after the text of its messages.
import type { Conversation, Summary } from '@lockstep/protocol/conversations'
import { summaryOf } from '@lockstep/protocol/decide/conversations'
import type { Message } from '@lockstep/protocol/message'
import type { PendingStatus } from './outbox.ts'
import { streamedMessage } from './streamed-message.ts'
import type { StreamedText } from './streamed-text.ts'
import type {
  ConversationView,
  Delivery,
  ListState,
  MessageView,
  OutboxItem,
  SummaryView,
} from './views.ts'

/** What a view needs of a pending command. */
interface Pending {
  readonly mutation_id: string
  readonly message_ids: readonly string[]
  readonly status: PendingStatus
}

// A message that is confirmed and not streaming is shown by the same object each time, so that a
// page renders only what has changed.
const messageViews = new WeakMap<Message, MessageView>()

export interface ConversationParts {
  conversation: Conversation
  commands: readonly Pending[]
  outbox: readonly OutboxItem[]
  streamedText: StreamedText
  windowed: boolean
  loading: boolean
}

export function conversationView({
  conversation,
  commands,
  outbox,
  streamedText,
  windowed,
  loading,
}: ConversationParts): ConversationView {
  const waiting = new Map(
    commands.flatMap((command) =>
      command.status === 'acked' ? [] : command.message_ids.map((id) => [id, command] as const),
    ),
  )
  const messages = conversation.messages.map((message) =>
    messageView(message, waiting.get(message.id), streamedText),
  )
  return { ...conversation, messages, delivery: deliveryOf(commands), windowed, loading, outbox }
}

export const summaryView = (
  conversation: Conversation,
  commands: readonly Pending[],
): SummaryView => ({ ...summaryOf(conversation), delivery: deliveryOf(commands) })

function messageView(
  message: Message,
  command: Pending | undefined,
  streamedText: StreamedText,
): MessageView {
  if (command) {
    const { mutation_id } = command
    return { ...message, delivery: deliveryOf([command]), mutation_id }
  }
  if (message.status === 'streaming') {
    const streamed = streamedMessage(message, streamedText)
    const thinking_since = streamedText.thinkingSince(message.id, streamed.content.length)
    const thinking = thinking_since !== undefined && { thinking_since }
    return { ...streamed, delivery: 'sent', ...thinking }
  }
  let view = messageViews.get(message)
  if (!view) messageViews.set(message, (view = { ...message, delivery: 'sent' }))
  return view
}

const worstFirst = ['failed', 'queued', 'sending'] as const

/** The worst status of the commands. */
export function deliveryOf(commands: readonly { readonly status: PendingStatus }[]): Delivery {
  return worstFirst.find((status) => commands.some((one) => one.status === status)) ?? 'sent'
}

/** The list that shows a conversation. */
export function listOf({ deleted_at, archived }: Summary): ListState {
  if (deleted_at !== null) return 'trash'
  return archived ? 'archived' : 'active'
}

/** The order of the server's lists: ids break ties. */
export function newestFirst(a: Summary, b: Summary): number {
  if (a.updated_at !== b.updated_at) return a.updated_at < b.updated_at ? 1 : -1
  return a.id < b.id ? 1 : -1
}
