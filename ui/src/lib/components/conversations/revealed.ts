// What was read from the server by itself, as this device shows it.
import type { Conversation } from '@lockstep/protocol/conversations'
import { commands } from '../../stores/conversations.svelte.ts'

/** The conversation with the texts that this device can read. */
export async function revealed<Read extends Conversation>(conversation: Read): Promise<Read> {
  const { encrypted } = commands
  return conversation.encryption && encrypted ? encrypted.reveal(conversation) : conversation
}

/** Whether this device can't read the conversation's texts; one that it doesn't hold has no key. */
export function isLocked({ id, encryption }: Conversation): boolean {
  const held = commands.get(id)
  return held ? held.locked === true : encryption !== undefined
}
