// The paths that an update has changed, as the oplog and change streams describe them.
import { Doc } from '../bson/doc.ts'
import { isDoc } from '../bson/type-of.ts'

type Change = 'update' | 'insert' | 'remove'

interface ChangedPath {
  readonly parts: readonly string[]
  readonly change: Change
}

/** Collects the `updatedFields` and `removedFields` of one update. */
export class ChangedPaths {
  readonly #paths: ChangedPath[] = []

  get isEmpty(): boolean {
    return this.#paths.length === 0
  }

  record(path: string, change: Change): void {
    this.#paths.push({ parts: path.split('.'), change })
  }

  /**
   * The changes as the `updateDescription` of a change event. At each level, changed fields come
   * before new ones, and those before changes inside of fields.
   */
  describe(after: Doc): Doc {
    const updated: [string, unknown][] = []
    const removed: string[] = []
    const visit = (value: unknown, prefix: string, paths: readonly ChangedPath[]): void => {
      const groups = Map.groupBy(paths, ({ parts }) => parts[0]!)
      const names = [...groups.keys()]
      if (Array.isArray(value)) names.sort((a, b) => Number(a) - Number(b))
      const ranks: Record<Change, number> = { update: 0, insert: 1, remove: 2 }
      const rankOf = (name: string): number => {
        const leaf = groups.get(name)!.find(({ parts }) => parts.length === 1)
        return leaf ? ranks[leaf.change] : 3
      }
      if (!Array.isArray(value)) names.sort((a, b) => rankOf(a) - rankOf(b))
      for (const name of names) {
        const rank = rankOf(name)
        const inner = Array.isArray(value)
          ? (value[Number(name)] as unknown)
          : isDoc(value)
            ? value.get(name)
            : undefined
        if (rank === 2) removed.push(prefix + name)
        else if (rank < 2) updated.push([prefix + name, inner ?? null])
        else
          visit(
            inner,
            `${prefix}${name}.`,
            groups.get(name)!.map(({ parts, change }) => ({ parts: parts.slice(1), change })),
          )
      }
    }
    visit(after, '', this.#paths)
    return description(updated, removed, [])
  }
}

/** The `updateDescription` of a change event. */
export function description(
  updated: readonly (readonly [string, unknown])[],
  removed: readonly string[],
  truncated: readonly Doc[],
): Doc {
  return Doc.of([
    ['updatedFields', Doc.of(updated)],
    ['removedFields', removed],
    ['truncatedArrays', truncated],
  ])
}
