// Finds the target of an update path, through objects and, by index, through arrays. Documents and
// arrays never change: the path is made anew on the way back, and everything beside it stays as it
// was.
import { Doc } from '../bson/doc.ts'
import { isDoc } from '../bson/type-of.ts'
import { refusal } from '../errors.ts'
import type { Changes } from './changes.ts'

type Container = Doc | readonly unknown[]

/** The value that an operator works on: a field of an object or an element of an array. */
export interface UpdateTarget {
  /** The value as it is; undefined if it is missing. */
  readonly value: unknown
  readonly inArray: boolean
}

/** What an operator returns to remove a value. */
export const removed = Symbol('removed')

/**
 * Does the work of one operator on its target: returns the new value, the old one if nothing
 * changes, `removed`, or an `Appended`.
 */
export type TargetOperation = (target: UpdateTarget) => unknown

/** What an operator returns if it adds elements at the end of an array, `from` on. */
export class Appended {
  readonly array: readonly unknown[]
  readonly from: number

  constructor(array: readonly unknown[], from: number) {
    this.array = array
    this.from = from
  }
}

/** What an operator does at a path. */
export interface Modification {
  readonly path: string
  readonly operation: TargetOperation
  /** Whether a path that is missing stays missing. */
  readonly existing?: boolean
  /** Whether a path that can't be created is simply missing. */
  readonly lenient?: boolean
  readonly onInsertOnly?: boolean
}

const MAX_PADDING = 1_500_000

/** A modification of one document. */
export class PathUpdate {
  readonly #parts: readonly string[]
  readonly #modification: Modification
  readonly #changes: Changes

  constructor(modification: Modification, changes: Changes) {
    this.#parts = modification.path.split('.')
    this.#modification = modification
    this.#changes = changes
  }

  apply(doc: Doc): Doc {
    return this.#descend(doc, 0, false) as Doc
  }

  /** `isNew`: the container is made for this update, which has been recorded. */
  #descend(container: Container, at: number, isNew: boolean): Container {
    const key = this.#parts[at]!
    const { existing, lenient } = this.#modification
    if (!(container instanceof Doc)) {
      const isIndex = /^(0|[1-9]\d*)$/.test(key)
      if (!isIndex && !lenient) throw notViable(key, this.#parts[at - 1]!, container)
      if (!isIndex || (existing && Number(key) >= container.length)) return container
    }
    const value = container instanceof Doc ? container.get(key) : container[Number(key)]
    const isTarget = at === this.#parts.length - 1
    const next = isTarget
      ? this.#changed(value, !(container instanceof Doc), isNew)
      : this.#below(value, at, isNew)
    if (next === removed) return (container as Doc).without(key)
    return next === value ? container : withKey(container, key, next)
  }

  #changed(value: unknown, inArray: boolean, isNew: boolean): unknown {
    const next = this.#modification.operation({ value, inArray })
    if (next instanceof Appended) {
      for (let at = next.from; at < next.array.length; at++)
        this.#changes.record([...this.#parts, String(at)], 'insert')
      return next.array
    }
    if (next === removed) this.#changes.record(this.#parts, 'remove')
    else if (next !== value && !isNew)
      this.#changes.record(this.#parts, value === undefined ? 'insert' : 'update')
    return next
  }

  #below(value: unknown, at: number, isNew: boolean): unknown {
    const { existing, lenient } = this.#modification
    if (isDoc(value) || Array.isArray(value)) return this.#descend(value, at + 1, isNew)
    if (value !== undefined) {
      if (lenient) return value
      throw notViable(this.#parts[at + 1]!, this.#parts[at]!, value)
    }
    if (existing) return undefined
    const made = this.#descend(Doc.empty, at + 1, true) as Doc
    if (made.size === 0) return undefined
    if (!isNew) this.#changes.record(this.#parts.slice(0, at + 1), 'insert')
    return made
  }
}

/** An array is filled with null up to the index. */
function withKey(container: Container, key: string, value: unknown): Container {
  if (container instanceof Doc) return container.with(key, value)
  const index = Number(key)
  if (index - container.length > MAX_PADDING)
    throw refusal('BadValue', `can't backfill more than ${MAX_PADDING} elements`)
  const array = [...container]
  while (array.length < index) array.push(null)
  array[index] = value
  return array
}

function notViable(field: string, parent: string, value: unknown): Error {
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return refusal('PathNotViable', `Cannot create field '${field}' in element {${parent}: ${shown}}`)
}
