// The part of a conversation that a provider reads: the thread that leads to the reply. Its length
// is bounded, and the newest messages stay.
import { branchOf } from '@lockstep/protocol/branch'
import type { Message, RemovedMessage } from '@lockstep/protocol/message'
import type { ProviderMessage } from './provider.ts'

/** At most this many messages before the reply are read. */
export const THREAD_MESSAGES = 200
/** At most this many UTF-16 units are sent (about 25,000 tokens). */
const THREAD_UNITS = 100_000

/**
 * The thread before the reply, in the current version of each message.
 * @param messages in order of position, including the reply
 * @param removed what is left of deleted messages, through which the thread leads
 */
export function threadOf(
  messages: readonly Message[],
  reply: Pick<Message, 'id'>,
  removed: readonly RemovedMessage[] = [],
): ProviderMessage[] {
  const tip = messages.find(({ id }) => id === reply.id)
  const before = tip ? branchOf(messages, tip, removed).slice(0, -1) : []
  const thread: ProviderMessage[] = []
  let units = 0
  for (const { role, content, status } of before.reverse()) {
    if (role === 'tool' || status === 'streaming' || content.trim() === '') continue
    units += content.length
    if (units > THREAD_UNITS && thread.length > 0) {
      // no thread begins in the middle of a turn
      while (thread.at(-1)?.role === 'assistant' && thread.length > 1) thread.pop()
      break
    }
    thread.push({ role, content })
  }
  thread.reverse()
  // the last message is the one to be answered, and many servers insist that it is the user's
  if (thread.at(-1)?.role !== 'user')
    thread.push({ role: 'user', content: thread.length > 0 ? 'Please continue.' : 'Please begin.' })
  return thread
}
