// The paths that an update has changed, as the oplog and change streams describe them.
import type { Doc } from '../bson/codec.ts'

/** Collects the `updatedFields` and `removedFields` of one update. */
export class ChangedPaths {
  readonly updated = new Map<string, unknown>()
  readonly removed = new Set<string>()

  /**
   * Records that a path has a new value. A path below one that was set before is part of that
   * value.
   */
  set(path: string, value: unknown): void {
    if (this.#isCovered(path)) return
    this.updated.set(path, value)
    this.removed.delete(path)
  }

  /** Records that a path was removed. */
  remove(path: string): void {
    if (this.#isCovered(path)) return
    this.removed.add(path)
    this.updated.delete(path)
  }

  #isCovered(path: string): boolean {
    for (let dot = path.indexOf('.'); dot >= 0; dot = path.indexOf('.', dot + 1)) {
      if (this.updated.has(path.slice(0, dot))) return true
    }
    return false
  }

  /** The changes as the `updateDescription` of a change event. */
  describe(): Doc {
    return {
      updatedFields: Object.fromEntries(this.updated),
      removedFields: [...this.removed],
      truncatedArrays: [],
    }
  }
}
