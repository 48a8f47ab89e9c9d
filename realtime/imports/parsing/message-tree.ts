// Flattens a conversation that is a tree of messages (regenerate, edit and resend) into one list.
// The list keeps the invariant of `protocol/branch.ts`: the first answer to a message follows that
// message directly, each other answer `replaces` the first one, and the thread that was open comes
// last.
import type { ParsedMessage } from './parsed-item.ts'

export interface TreeNode {
  key: string
  /** Undefined, or a key that no node has: the node begins a thread. */
  parent: string | undefined
  /** Undefined: the node holds no message, it only connects its children to its parent. */
  message: Omit<ParsedMessage, 'key' | 'replaces'> | undefined
}

/**
 * Returns each message once, even if the parents form a cycle.
 * @param current the key of the message shown last; the list ends with its thread
 */
export function flattenTree(
  nodes: readonly TreeNode[],
  current: string | undefined,
): ParsedMessage[] {
  const byKey = new Map(nodes.map((node) => [node.key, node]))
  const open = new Set(keysToRoot(byKey, current))
  const withMessage = [...byKey.values()].filter(({ message }) => message !== undefined)
  const nearestMessage = nearestMessages(byKey)
  const children = Map.groupBy(withMessage, ({ parent }) => nearestMessage(parent))
  const messages: ParsedMessage[] = []
  const placed = new Set<string>()

  const siblings = (group: readonly TreeNode[]) => {
    const ordered = [...group].sort((a, b) => Number(open.has(a.key)) - Number(open.has(b.key)))
    return ordered.map((node, i) => ({ node, replaces: i === 0 ? undefined : ordered[0]!.key }))
  }
  /** Depth first, without recursion: a thread may have more messages than the stack has frames. */
  const placeAll = (roots: readonly TreeNode[]) => {
    const stack = siblings(roots).reverse()
    for (let next = stack.pop(); next; next = stack.pop()) {
      const { node, replaces } = next
      if (placed.has(node.key)) continue
      placed.add(node.key)
      messages.push({
        key: node.key,
        ...node.message!,
        ...(replaces !== undefined && { replaces }),
      })
      stack.push(...siblings(children.get(node.key) ?? []).reverse())
    }
  }
  placeAll(children.get(undefined) ?? [])
  // a node that no root leads to is in a cycle
  for (const node of withMessage) if (!placed.has(node.key)) placeAll([node])
  return messages
}

/** The keys from `start` up to the root, `start` first. Ends before a key would repeat. */
function* keysToRoot(
  byKey: ReadonlyMap<string, TreeNode>,
  start: string | undefined,
): Iterable<string> {
  const seen = new Set<string>()
  for (
    let key = start;
    key !== undefined && byKey.has(key) && !seen.has(key);
    key = byKey.get(key)!.parent
  ) {
    seen.add(key)
    yield key
  }
}

/**
 * Returns a function that finds the first key from `start` upwards whose node has a message. Each
 * key is walked once for all calls: a chain of nodes without messages may be as long as the export,
 * with as many messages at its end.
 */
function nearestMessages(
  byKey: ReadonlyMap<string, TreeNode>,
): (start: string | undefined) => string | undefined {
  const found = new Map<string, string | undefined>()
  return (start) => {
    const walked: string[] = []
    let nearest: string | undefined
    for (const key of keysToRoot(byKey, start)) {
      const isKnown = found.has(key)
      if (isKnown || byKey.get(key)!.message) {
        nearest = isKnown ? found.get(key) : key
        break
      }
      walked.push(key)
    }
    for (const key of walked) found.set(key, nearest)
    return nearest
  }
}
