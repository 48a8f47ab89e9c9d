// What an update touched, path by path, as the oplog and change streams describe it.
import type { Doc } from '../bson/codec.ts'

/** Collects `updatedFields` and `removedFields` of one update. */
export class ChangedPaths {
  readonly updated = new Map<string, unknown>()
  readonly removed = new Set<string>()

  /** A path has a new value. What is below a path that was set already is part of that value. */
  set(path: string, value: unknown): void {
    if (this.#isCovered(path)) return
    this.updated.set(path, value)
    this.removed.delete(path)
  }

  /** A path is gone. */
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

  /** As a change event's `updateDescription`. */
  describe(): Doc {
    return {
      updatedFields: Object.fromEntries(this.updated),
      removedFields: [...this.removed],
      truncatedArrays: [],
    }
  }
}
