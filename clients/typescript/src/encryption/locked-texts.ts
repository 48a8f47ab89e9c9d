// What a device without its key shows of an encrypted conversation, and which commands would write
// texts into it. A page has this from the start.
import type { Conversation } from '@lockstep/protocol/conversations'
import { Fault } from '@lockstep/protocol/errors'
import type { Message } from '@lockstep/protocol/message'
import type { ConversationState } from '../conversation-model.ts'
import type { OutgoingCommand } from '../outgoing-command.ts'

/** What stands for the title of a locked conversation. */
export const LOCKED_TITLE = 'Encrypted conversation'

/** Parts repeat the text as it is stored. */
export function withoutText({ parts: _parts, ...message }: Message): Message {
  return { ...message, content: '', metadata: {} }
}

export function withoutTexts<Read extends Conversation>(conversation: Read): Read {
  const messages = conversation.messages.map(withoutText)
  return { ...conversation, title: LOCKED_TITLE, metadata: {}, preview: '', messages }
}

/** Creation is apart, because it makes a key. */
export const hasTexts = ({ name, payload }: OutgoingCommand<ConversationState>): boolean =>
  name === 'append' ||
  (name === 'update' && ['title', 'metadata', 'messages'].some((field) => field in payload))

export const mustUnlock = (): Fault =>
  new Fault('invalid', {
    detail: 'This conversation is encrypted: unlock it with its passphrase first',
    reason: 'encrypted',
  })
