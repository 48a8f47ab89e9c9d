// Decides which messages a thread shows. By default it shows the branch that ends with the newest
// message; the assistant is given the same branch. If the reader picked a version of a message, the
// thread shows the newest branch that contains that version.
import type { MessageView } from '@lockstep/client'
import { branchOf } from '@lockstep/protocol/branch'

export interface VersionedMessage {
  message: MessageView
  /** The ids of all versions of this message, its own included, ordered by position. */
  versions: readonly string[]
}

type ById = ReadonlyMap<string, MessageView>

/** The first version of a message that the loaded window contains. */
function rootOf(message: MessageView, byId: ById): MessageView {
  let root = message
  for (
    let next = byId.get(root.replaces ?? '');
    next && next.position < root.position;
    next = byId.get(root.replaces ?? '')
  )
    root = next
  return root
}

/** The newest message whose branch contains `picked`. */
function tipThrough(
  messages: readonly MessageView[],
  picked: MessageView,
  byId: ById,
): MessageView {
  const positionsInBranch = new Set([picked.position])
  let tip = picked
  for (const message of messages) {
    if (
      message.position <= picked.position ||
      !positionsInBranch.has(rootOf(message, byId).position - 1)
    )
      continue
    positionsInBranch.add(message.position)
    tip = message
  }
  return tip
}

/**
 * The messages to show, oldest first.
 * @param messages a window of the conversation that is ordered by position and ends with the newest
 *   message
 * @param picked the id of the version that the reader picked last; ignored if the window lacks it
 */
export function threadBranch(
  messages: readonly MessageView[],
  picked?: string,
): VersionedMessage[] {
  if (!messages.some(({ replaces }) => replaces !== null))
    return messages.map((message) => ({ message, versions: [message.id] }))

  const byId = new Map(messages.map((message) => [message.id, message]))
  const versions = new Map<MessageView, string[]>()
  for (const message of messages) {
    const root = rootOf(message, byId)
    const group = versions.get(root)
    if (group) group.push(message.id)
    else versions.set(root, [message.id])
  }
  const pickedMessage = picked === undefined ? undefined : byId.get(picked)
  const branch = branchOf(messages, pickedMessage && tipThrough(messages, pickedMessage, byId))
  // If a message replaces one from before the window, everything before it in the window belongs to
  // the older version.
  const from = branch.findLastIndex((message) => rootOf(message, byId).replaces !== null)
  return branch
    .slice(Math.max(0, from))
    .map((message) => ({ message, versions: versions.get(rootOf(message, byId)) ?? [message.id] }))
}
