// Which messages a thread shows: the branch that ends with the newest message, as an assistant is given it, or, where the reader picked a
// version, the newest branch that goes through that one.
import { branchOf } from '@lockstep/protocol/branch'
import type { MessageView } from '@lockstep/client/views'

export interface PathEntry {
  message: MessageView
  /** Ids of all versions of this message, by position; itself among them. */
  versions: readonly string[]
}

type ById = ReadonlyMap<string, MessageView>

/** The first version of a message; of a window, the first in it. */
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

/** The newest message of those that follow `picked` without leaving its branch. */
function tipThrough(
  messages: readonly MessageView[],
  picked: MessageView,
  byId: ById,
): MessageView {
  const through = new Set([picked.position])
  let tip = picked
  for (const message of messages) {
    if (message.position <= picked.position || !through.has(rootOf(message, byId).position - 1))
      continue
    through.add(message.position)
    tip = message
  }
  return tip
}

/**
 * The shown messages, oldest first. `messages`: a window by position that reaches to the newest; `picked`: id of the version that the reader
 * chose last, which counts as long as it is there.
 */
export function threadPath(messages: readonly MessageView[], picked?: string): PathEntry[] {
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
  const chosen = picked === undefined ? undefined : byId.get(picked)
  const branch = branchOf(messages, chosen && tipThrough(messages, chosen, byId))
  // What a message replaces may lie before the window: all that the window has before it belongs to the older version.
  const from = branch.findLastIndex((message) => rootOf(message, byId).replaces !== null)
  return branch
    .slice(Math.max(0, from))
    .map((message) => ({ message, versions: versions.get(rootOf(message, byId)) ?? [message.id] }))
}
