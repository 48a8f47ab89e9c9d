// Threads of a conversation in which some messages are versions of others (`replaces`: regenerate,
// edit and resend) or continue an older version (`follows`). All messages stay in one list, ordered
// by position.
//
// The invariant: two versions of a message follow the same message, and the messages after the
// older version don't belong to the thread of the newer one.
import type { Message } from './message.ts'

export type Link = Pick<Message, 'id' | 'position' | 'replaces' | 'follows'>

/**
 * The first version of `message`: its thread branches off there. If `byId` lacks an earlier
 * version, the search ends.
 */
function firstVersion(message: Link, byId: ReadonlyMap<string, Link>): Link {
  let first = message
  for (;;) {
    const replaced = first.replaces === null ? undefined : byId.get(first.replaces)
    if (!replaced || replaced.position >= first.position) return first
    first = replaced
  }
}

/**
 * How messages follow each other. `messages` are ordered by position. `removed` is what is left of
 * deleted ones: a thread leads through them, but it doesn't show them.
 */
export function threadsIn<M extends Link>(
  messages: readonly M[],
  removed: readonly Link[] = [],
): Threads<M> {
  const shown = new Map(messages.map((message) => [message.id, message]))
  const links: Link[] = [...messages, ...removed]
  const byId = new Map(links.map((link) => [link.id, link]))
  const byPosition = new Map(links.map((link) => [link.position, link]))
  const first = (message: Link): Link => firstVersion(message, byId)
  const linkBefore = (message: Link): Link | undefined => {
    const { follows, position } = first(message)
    if (follows === undefined) return byPosition.get(position - 1)
    const followed = byId.get(follows)
    return followed && followed.position < position ? followed : undefined
  }
  return {
    first,
    before(message) {
      for (let link = linkBefore(message); link; link = linkBefore(link)) {
        const before = shown.get(link.id)
        if (before) return before
      }
      return undefined
    },
  }
}

interface Threads<M extends Link> {
  /** The first version of a message, which may have been deleted. */
  first(message: M): Link
  /**
   * The message before a message in its thread: the one that its first version continues. Undefined
   * at the beginning of the thread or of the window.
   */
  before(message: M): M | undefined
}

/**
 * The thread that ends with `tip` (default: the newest message), oldest message first. Before each
 * message comes the one that its first version continues. `messages` are ordered by position. In a
 * window, the thread begins where the window does.
 */
export function branchOf<M extends Link>(
  messages: readonly M[],
  tip: M | undefined = messages.at(-1),
  removed: readonly Link[] = [],
): M[] {
  const { before } = threadsIn(messages, removed)
  const branch: M[] = []
  for (let next = tip; next; next = before(next)) branch.push(next)
  return branch.reverse()
}

/** All versions of `message`, itself included, ordered by position. */
export function versionsOf<M extends Link>(
  messages: readonly M[],
  message: M,
  removed: readonly Link[] = [],
): M[] {
  const byId = new Map([...messages, ...removed].map((other: Link) => [other.id, other]))
  const first = firstVersion(message, byId)
  return messages.filter((other) => firstVersion(other, byId) === first)
}

/**
 * The same messages as if the deleted ones had never been there: positions count from 1, and no
 * link leads to a deleted message. Threads stay the same, unless one begins in the middle: no link
 * says that nothing comes before a message.
 */
export function withoutRemoved(messages: readonly Link[], removed: readonly Link[]): Link[] {
  const { first, before } = threadsIn(messages, removed)
  const kept = new Map(messages.map((message) => [message.id, message]))
  const all = new Map([...messages, ...removed].map((link) => [link.id, link]))
  /** By the first version of a message, the earliest one that is left. */
  const earliest = new Map<string, string>()
  return messages.map((message, index) => {
    const group = first(message).id
    const found = earliest.get(group)
    if (found === undefined) earliest.set(group, message.id)
    let replaced = message.replaces
    while (replaced !== null && !kept.has(replaced)) replaced = all.get(replaced)?.replaces ?? null
    const replaces = found === undefined ? null : (replaced ?? found)
    const parent = replaces === null ? before(message)?.id : undefined
    const follows = parent === messages[index - 1]?.id ? undefined : parent
    const { id } = message
    return { id, position: index + 1, replaces, ...(follows !== undefined && { follows }) }
  })
}
