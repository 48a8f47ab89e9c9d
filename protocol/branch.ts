// Which messages belong together when some are versions of others (`replaces`: regenerate, edit and resend). Messages stay in one list by
// position; the invariant: two versions of a message have the same one before them, and what followed the older version isn't part
// of the newer one's thread.
import type { Message } from './message.ts'

type Link = Pick<Message, 'id' | 'position' | 'replaces'>

/** The first version of `message`: where its thread left the others. A version that isn't among `byId` counts as the first. */
function firstVersion<M extends Link>(message: M, byId: ReadonlyMap<string, M>): M {
  let first = message
  for (;;) {
    const replaced = first.replaces === null ? undefined : byId.get(first.replaces)
    if (!replaced || replaced.position >= first.position) return first
    first = replaced
  }
}

/**
 * The thread that ends with `tip` (default: the newest message), oldest first: before each message comes the one that was the newest when
 * its first version was written. `messages` in order of position; of a window the thread begins where the window does.
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

/** All versions of `message` in order of position, itself included. */
export function versionsOf<M extends Link>(messages: readonly M[], message: M): M[] {
  const byId = new Map(messages.map((other) => [other.id, other]))
  const first = firstVersion(message, byId)
  return messages.filter((other) => firstVersion(other, byId) === first)
}
