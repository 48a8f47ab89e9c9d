// What programs see of a conversation: its state, the delivery of its commands, and streamed text
// after the text of its messages.
import type { Conversation, Summary } from '@lockstep/protocol/conversations'
import { summaryOf } from '@lockstep/protocol/decide/conversations'
import type { Message } from '@lockstep/protocol/message'
import type { PendingStatus } from './outbox.ts'
import type { StreamedMessages } from './streamed-messages.ts'
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
  /** Undefined until its code is loaded. */
  streamed: StreamedMessages | undefined
  windowed: boolean
  loading: boolean
  locked: true | undefined
}

export function conversationView({
  conversation,
  commands,
  outbox,
  streamed,
  windowed,
  loading,
  locked,
}: ConversationParts): ConversationView {
  const waiting = new Map(
    commands.flatMap((command) =>
      command.status === 'acked' ? [] : command.message_ids.map((id) => [id, command] as const),
    ),
  )
  const messages = conversation.messages.map((message) =>
    messageView(message, waiting.get(message.id), streamed),
  )
  const delivery = deliveryOf(commands)
  const summary = { ...conversation, delivery, ...(locked && { locked }) }
  return { ...summary, messages, windowed, loading, outbox }
}

export const summaryView = (
  conversation: Conversation,
  commands: readonly Pending[],
  locked: true | undefined,
): SummaryView => ({
  ...summaryOf(conversation),
  delivery: deliveryOf(commands),
  ...(locked && { locked }),
})

function messageView(
  message: Message,
  command: Pending | undefined,
  streamed: StreamedMessages | undefined,
): MessageView {
  if (command) {
    const { mutation_id } = command
    return { ...message, delivery: deliveryOf([command]), mutation_id }
  }
  if (message.status === 'streaming')
    return { ...(streamed?.shown(message) ?? message), delivery: 'sent' }
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
