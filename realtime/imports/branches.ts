// Conversations that are trees (regenerate, edit and resend) in one list by position. The invariant is that of `protocol/branch.ts`: the first
// reply to a message follows it at once, every other one `replaces` the first, and the thread that was open comes last.
import type { ParsedMessage } from './imported.ts'

export interface TreeNode {
  key: string
  /** Undefined, or of no node: it begins a thread. */
  parent: string | undefined
  /** Undefined: it only holds its children together. */
  message: Omit<ParsedMessage, 'key' | 'replaces'> | undefined
}

/** @param current the message that was shown last; its thread is what the list ends with */
export function flattenTree(
  nodes: readonly TreeNode[],
  current: string | undefined,
): ParsedMessage[] {
  const byKey = new Map(nodes.map((node) => [node.key, node]))
  const open = new Set(upwards(byKey, current))
  const spoken = [...byKey.values()].filter(({ message }) => message !== undefined)
  const children = Map.groupBy(spoken, (node) => spokenAt(byKey, node.parent))
  const messages: ParsedMessage[] = []
  const placed = new Set<string>()

  const place = (start: readonly TreeNode[]) => {
    const waiting = siblings(start).reverse()
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const { node, replaces } = next
      if (placed.has(node.key)) continue
      placed.add(node.key)
      messages.push({
        key: node.key,
        ...node.message!,
        ...(replaces !== undefined && { replaces }),
      })
      waiting.push(...siblings(children.get(node.key) ?? []).reverse())
    }
  }
  const siblings = (group: readonly TreeNode[]) => {
    const ordered = [...group].sort((a, b) => Number(open.has(a.key)) - Number(open.has(b.key)))
    return ordered.map((node, i) => ({ node, replaces: i === 0 ? undefined : ordered[0]!.key }))
  }
  place(children.get(undefined) ?? [])
  for (const node of spoken) if (!placed.has(node.key)) place([node]) // parents that lead in a circle
  return messages
}

/** Keys from `start` up to the root, `start` first; ends where they would repeat. */
function* upwards(
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

/** The nearest key from `start` upwards whose node says something. */
function spokenAt(
  byKey: ReadonlyMap<string, TreeNode>,
  start: string | undefined,
): string | undefined {
  for (const key of upwards(byKey, start)) if (byKey.get(key)!.message) return key
  return undefined
}
