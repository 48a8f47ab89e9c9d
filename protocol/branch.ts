// Threads of a conversation in which some messages are versions of others (`replaces`: regenerate,
// edit and resend). All messages stay in one list, ordered by position.
//
// The invariant: two versions of a message follow the same message, and the messages after the
// older version don't belong to the thread of the newer one.
import type { Message } from './message.ts'

type Link = Pick<Message, 'id' | 'position' | 'replaces'>

/**
 * The first version of `message`: its thread branches off there. If `byId` lacks an earlier
 * version, the search ends.
 */
function firstVersion<M extends Link>(message: M, byId: ReadonlyMap<string, M>): M {
  let first = message
  for (;;) {
    const replaced = first.replaces === null ? undefined : byId.get(first.replaces)
    if (!replaced || replaced.position >= first.position) return first
    first = replaced
  }
}

/**
 * The thread that ends with `tip` (default: the newest message), oldest message first. Before each
 * message comes the message that was the newest one when its first version was written. `messages`
 * are ordered by position. In a window, the thread begins where the window does.
 */
export function branchOf<M extends Link>(
  messages: readonly M[],
  tip: M | undefined = messages.at(-1),
): M[] {
  const byId = new Map(messages.map((message) => [message.id, message]))
  const byPosition = new Map(messages.map((message) => [message.position, message]))
  const branch: M[] = []
  for (let next = tip; next; next = byPosition.get(firstVersion(next, byId).position - 1))
    branch.push(next)
  return branch.reverse()
}

/** All versions of `message`, itself included, ordered by position. */
export function versionsOf<M extends Link>(messages: readonly M[], message: M): M[] {
  const byId = new Map(messages.map((other) => [other.id, other]))
  const first = firstVersion(message, byId)
  return messages.filter((other) => firstVersion(other, byId) === first)
}
