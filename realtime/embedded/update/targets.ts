// Finds the targets of an update path: through objects, by array index, and by `$` and `$[]`.
// Documents and arrays never change: the path is made anew on the way back, and everything beside
// it stays what it was.
import { Doc } from '../bson/doc.ts'
import { isDoc } from '../bson/type-of.ts'
import { refusal } from '../errors.ts'
import type { ChangedPaths } from './changed-paths.ts'

type Container = Doc | readonly unknown[]

/** One value that an operator works on: a field of an object or an element of an array. */
export interface UpdateTarget {
  /** The value as it is; undefined if it is missing. */
  readonly value: unknown
  readonly inArray: boolean
}

/** What an operator returns to remove a value. */
export const removed = Symbol('removed')

/**
 * Does the work of one operator on one target: returns the new value, the old one if nothing
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

/** How an operator is applied at a path. */
export interface PathContext {
  /** What `$` stands for. */
  readonly position: number | undefined
  /** Whether missing objects on the way are created. If not, a missing path has no target. */
  readonly create: boolean
  /** Whether a path that leads through a value that isn't an object is simply missing. */
  readonly lenient: boolean
  readonly changes: ChangedPaths
  /** Called with the path of each target. */
  onTarget(path: string): void
}

const MAX_PADDING = 1_500_000

/** The document with the operation done at every target of a path. */
export function updateAt(
  root: Doc,
  path: string,
  context: PathContext,
  operation: TargetOperation,
): Doc {
  return new PathUpdate(path.split('.'), context, operation).descend(root, 0, [], false) as Doc
}

/** The way to the targets of one path. */
class PathUpdate {
  readonly #parts: readonly string[]
  readonly #context: PathContext
  readonly #operation: TargetOperation

  constructor(parts: readonly string[], context: PathContext, operation: TargetOperation) {
    this.#parts = parts
    this.#context = context
    this.#operation = operation
  }

  /** `isNew`: the container is made for this update, which has been recorded. */
  descend(given: Container, at: number, above: readonly string[], isNew: boolean): Container {
    let container = given
    for (const key of this.#keysOf(container, at, above)) {
      const path = [...above, key]
      const value = valueAt(container, key)
      const isTarget = at === this.#parts.length - 1
      const next = isTarget
        ? this.#changed(value, path, Array.isArray(container), isNew)
        : this.#below(value, at, path, isNew)
      if (next === removed) container = (container as Doc).without(key)
      else if (next !== value) container = withKey(container, key, next)
    }
    return container
  }

  #changed(value: unknown, parts: readonly string[], inArray: boolean, isNew: boolean): unknown {
    const { changes, onTarget } = this.#context
    const path = parts.join('.')
    onTarget(path)
    const next = this.#operation({ value, inArray })
    if (next instanceof Appended) {
      for (let at = next.from; at < next.array.length; at++)
        changes.record(`${path}.${at}`, 'insert')
      return next.array
    }
    if (next === removed) changes.record(path, 'remove')
    else if (next !== value && !isNew)
      changes.record(path, value === undefined ? 'insert' : 'update')
    return next
  }

  #below(value: unknown, at: number, path: readonly string[], isNew: boolean): unknown {
    if (isDoc(value) || Array.isArray(value)) return this.descend(value, at + 1, path, isNew)
    const following = this.#parts[at + 1]!
    if (isPositional(following)) throw noArray(path, value)
    if (value !== undefined) {
      if (this.#context.lenient) return value
      throw notViable(following, path.at(-1)!, value)
    }
    if (!this.#context.create) return undefined
    const made = this.descend(Doc.empty, at + 1, path, true) as Doc
    if (made.size === 0) return undefined
    if (!isNew) this.#context.changes.record(path.join('.'), 'insert')
    return made
  }

  /** The fields or the indexes that a part of the path names. */
  #keysOf(container: Container, at: number, above: readonly string[]): readonly string[] {
    const part = this.#parts[at]!
    const { position, create, lenient } = this.#context
    if (container instanceof Doc) {
      if (isPositional(part)) throw noArray(above, container)
      return [part]
    }
    if (part === '$[]') return container.map((_, index) => String(index))
    if (part === '$') {
      if (position !== undefined) return [String(position)]
      throw refusal('BadValue', 'The positional operator did not find the match needed.')
    }
    if (/^(0|[1-9]\d*)$/.test(part)) return create || Number(part) < container.length ? [part] : []
    if (lenient) return []
    throw notViable(part, above.at(-1)!, container)
  }
}

const isPositional = (part: string): boolean => part === '$' || part.startsWith('$[')

function valueAt(container: Container, key: string): unknown {
  return container instanceof Doc ? container.get(key) : container[Number(key)]
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

function noArray(path: readonly string[], value: unknown): Error {
  return refusal(
    'BadValue',
    value === undefined
      ? `The path '${path.join('.')}' must exist in order to apply array updates.`
      : `Cannot apply array updates to non-array element ${path.join('.')}`,
  )
}

function notViable(field: string, parent: string, value: unknown): Error {
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return refusal('PathNotViable', `Cannot create field '${field}' in element {${parent}: ${shown}}`)
}
