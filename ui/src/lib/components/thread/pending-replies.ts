// A user's message wants a reply as soon as the server has it: also when that takes a reconnect or a second try, and the user has gone to
// another page meanwhile. Until then its text is remembered here, for the case that there is no place left to show it.
import { commands } from '../../stores/conversations.svelte.ts'
import type { ConversationView } from '@lockstep/client/views'

interface Wanted {
  conversation_id: string
  agent: string | undefined
  content: string
}
const wanted = new Map<string, Wanted>()
let unwatch: (() => void) | undefined

function look(): void {
  for (const [message_id, { conversation_id, agent }] of wanted) {
    const view = commands.get(conversation_id)
    const isSent = view?.messages.findLast(({ id }) => id === message_id)?.delivery === 'sent'
    const isWaiting = commands.outbox.some(({ message_ids }) => message_ids.includes(message_id))
    if (isWaiting && !isSent) continue
    wanted.delete(message_id)
    if (isSent) commands.reply(conversation_id, { agent })
  }
  if (wanted.size > 0) return
  unwatch?.()
  unwatch = undefined
}

/** Asks for a reply once the message is sent; not at all when it is discarded. */
export function wantReply(message_id: string, wish: Wanted): void {
  wanted.set(message_id, wish)
  unwatch ??= commands.subscribe(look)
}

/**
 * Whether nobody has asked for a reply to the newest message, as far as this device knows: the tab that was about to may have been closed.
 */
export function lacksReply({ messages, outbox, deleted_at }: ConversationView): boolean {
  const last = messages.at(-1)
  if (
    deleted_at !== null ||
    last?.role !== 'user' ||
    last.delivery !== 'sent' ||
    wanted.has(last.id)
  )
    return false
  if (messages.some(({ status }) => status === 'streaming')) return false
  return !outbox.some(({ command, status }) => command === 'reply' && status !== 'failed')
}

/** What a message that is not sent yet says. */
export const unsentText = (message_id: string): string | undefined =>
  wanted.get(message_id)?.content
