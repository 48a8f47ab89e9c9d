// Sends a message of the user, and asks for what follows: a reply, or in an encrypted chat without
// a title, one from its first message.
import { newId } from '@lockstep/protocol/ids'
import { commands, whenSent } from '../../stores/conversations.svelte.ts'
import { isUntitled } from '../conversations/shown-title.ts'
import { requestReplyWhenSent } from './pending-replies.ts'

interface SentMessage {
  content: string
  agent: string | undefined
  replaces?: string
  follows?: string
}

/** What was sent in chats that aren't here yet, oldest first. */
let early = $state.raw<readonly { conversation_id: string; content: string }[]>([])

/** What was sent in this chat and waits until the chat is here, oldest first. Reactive. */
export const textsWaitingFor = (conversation_id: string): string[] =>
  early.filter((text) => text.conversation_id === conversation_id).map(({ content }) => content)

/** Resolves with true once the server has the text, and with false if it was refused. */
export function sendMessage(conversation_id: string, sent: SentMessage): Promise<boolean> {
  const conversation = commands.get(conversation_id)
  // Whether the chat is encrypted isn't known before it is here.
  if (!conversation) {
    const text = { conversation_id, content: sent.content }
    early = [...early, text]
    return commands
      .open(conversation_id)
      .finally(() => (early = early.filter((other) => other !== text)))
      .then(() => sendMessage(conversation_id, sent))
      .catch(() => false)
      .finally(() => commands.close(conversation_id))
  }
  const { content, agent, replaces, follows } = sent
  const id = newId()
  const message = { id, role: 'user' as const, content, replaces, follows }
  const issued = commands.append(conversation_id, message)
  requestReplyWhenSent(id, { conversation_id, agent, content })
  if (conversation.encryption && isUntitled(conversation))
    void import('../conversations/name-after-message.ts')
      .then(({ nameAfter }) => nameAfter(conversation_id, content))
      .catch(() => undefined)
  return whenSent(issued, id)
}
