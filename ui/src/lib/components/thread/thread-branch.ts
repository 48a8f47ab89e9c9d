// Decides which messages a thread shows. By default it shows the branch that ends with the newest
// message; the assistant is given the same branch. If the reader picked a version of a message, the
// thread shows the newest branch that contains that version.
import type { MessageView } from '@lockstep/client'
import { branchOf, threadsIn, type Link } from '@lockstep/protocol/branch'

export interface VersionedMessage {
  message: MessageView
  /** The ids of all versions of this message, its own included, ordered by position. */
  versions: readonly string[]
}

type Before = (message: MessageView) => MessageView | undefined

/** The newest message whose branch contains `picked`. */
function tipThrough(
  messages: readonly MessageView[],
  picked: MessageView,
  before: Before,
): MessageView {
  const inBranch = new Set([picked])
  let tip = picked
  for (const message of messages) {
    if (message.position <= picked.position) continue
    const previous = before(message)
    if (!previous || !inBranch.has(previous)) continue
    inBranch.add(message)
    tip = message
  }
  return tip
}

/** Whether the conversation has more than one thread. */
export const isBranched = (messages: readonly Link[]): boolean =>
  messages.some(({ replaces, follows }) => replaces !== null || follows !== undefined)

/**
 * The messages to show, oldest first.
 * @param messages a window of the conversation that is ordered by position and ends with the newest
 *   message
 * @param picked the id of the version that the reader picked last; ignored if the window lacks it
 * @param removed what is left of deleted messages, through which threads lead
 */
export function threadBranch(
  messages: readonly MessageView[],
  picked?: string,
  removed: readonly Link[] = [],
): VersionedMessage[] {
  if (!isBranched(messages) && !isBranched(removed))
    return messages.map((message) => ({ message, versions: [message.id] }))

  const { first, before } = threadsIn(messages, removed)
  // Messages that continue the same message are versions of each other.
  const group = (message: MessageView) => {
    const previous = before(message)
    return previous ? `after ${previous.id}` : `first ${first(message).id}`
  }
  const versions = Map.groupBy(messages, group)
  const pickedMessage = picked === undefined ? undefined : messages.find(({ id }) => id === picked)
  const tip = pickedMessage ? tipThrough(messages, pickedMessage, before) : messages.at(-1)
  const branch = branchOf(messages, tip, removed)
  // If a message replaces one from before the window, everything before it in the window belongs to
  // the older version.
  const from = branch.findLastIndex((message) => first(message).replaces !== null)
  return branch.slice(Math.max(0, from)).map((message) => ({
    message,
    versions: versions.get(group(message))!.map(({ id }) => id),
  }))
}
