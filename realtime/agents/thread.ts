// What a provider is given to read: the thread that leads to the reply, bounded, newest first to stay.
import { branchOf } from '@lockstep/protocol/branch'
import type { Message } from '@lockstep/protocol/message'
import type { ProviderMessage } from './provider.ts'

/** Messages that are looked at, and UTF-16 units that are sent (some 25,000 tokens). */
export const THREAD_MESSAGES = 200
const THREAD_UNITS = 100_000

/** The thread before `reply`, in its current versions. `messages` in order of position, the reply among them. */
export function threadOf(
  messages: readonly Message[],
  reply: Pick<Message, 'id'>,
): ProviderMessage[] {
  const tip = messages.find(({ id }) => id === reply.id)
  const before = tip ? branchOf(messages, tip).slice(0, -1) : []
  const thread: ProviderMessage[] = []
  let units = 0
  for (const { role, content, status } of before.reverse()) {
    if (role === 'tool' || status === 'streaming' || content.trim() === '') continue
    units += content.length
    if (units > THREAD_UNITS && thread.length > 0) break
    thread.push({ role, content })
  }
  thread.reverse()
  // many servers insist on a thread that a user begins and ends
  while (thread[0]?.role === 'assistant' && thread.length > 1) thread.shift()
  if (thread.at(-1)?.role !== 'user')
    thread.push({ role: 'user', content: thread.length > 0 ? 'Please continue.' : 'Please begin.' })
  return thread
}
