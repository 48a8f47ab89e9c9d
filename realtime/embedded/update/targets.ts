// Finds the targets of an update path: through objects, by array index, and by `$`, `$[]` and
// `$[identifier]`. Documents and arrays never change: the path is made anew on the way back, and
// everything beside it stays what it was.
import { Doc } from '../bson/doc.ts'
import { isDoc } from '../bson/type-of.ts'
import { refusal } from '../errors.ts'
import type { Matcher } from '../query/match.ts'
import type { ChangedPaths } from './changed-paths.ts'

type Container = Doc | readonly unknown[]

/** One value that an operator works on: a field of an object or an element of an array. */
export interface UpdateTarget {
  readonly path: string
  /** The value as it is; undefined if it is missing. */
  readonly value: unknown
  readonly inArray: boolean
}

/** What an operator returns to remove a value. */
export const removed = Symbol('removed')

/**
 * Does the work of one operator on one target: returns the new value, the old one if nothing
 * changes, or `removed`. It records what changed unless it only sets a value.
 */
export type TargetOperation = (target: UpdateTarget, changes: ChangedPaths) => unknown

/** What the special parts of a path stand for. */
export interface PathContext {
  readonly position: number | undefined
  readonly identifiers: ReadonlyMap<string, Matcher>
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
  return descend(root, path.split('.'), 0, '', context, operation, false) as Doc
}

function descend(
  given: Container,
  parts: readonly string[],
  at: number,
  prefix: string,
  context: PathContext,
  operation: TargetOperation,
  isNew: boolean,
): Container {
  let container = given
  for (const key of keysAt(container, parts, at, prefix, context)) {
    const path = prefix + key
    const value = valueAt(container, key)
    let next: unknown
    if (at === parts.length - 1) {
      context.onTarget(path)
      const { changes } = context
      next = operation({ path, value, inArray: Array.isArray(container) }, changes)
      if (next === value) continue
      if (next === removed) changes.record(path, 'remove')
      else if (next instanceof Appended) next = next.record(path, changes)
      else if (!isNew) changes.record(path, value === undefined ? 'insert' : 'update')
    } else {
      next = below(value, parts, at, path, key, context, operation, isNew)
      if (next === value) continue
    }
    container = next === removed ? withoutKey(container, key) : withKey(container, key, next)
  }
  return container
}

/** An array to which elements were added at the end, which are recorded one by one. */
export class Appended {
  readonly #array: readonly unknown[]
  readonly #from: number

  constructor(array: readonly unknown[], from: number) {
    this.#array = array
    this.#from = from
  }

  record(path: string, changes: ChangedPaths): readonly unknown[] {
    for (let at = this.#from; at < this.#array.length; at++)
      changes.record(`${path}.${at}`, 'insert')
    return this.#array
  }
}

function below(
  value: unknown,
  parts: readonly string[],
  at: number,
  path: string,
  key: string,
  context: PathContext,
  operation: TargetOperation,
  isNew: boolean,
): unknown {
  if (isDoc(value) || Array.isArray(value))
    return descend(value as Container, parts, at + 1, `${path}.`, context, operation, isNew)
  const following = parts[at + 1]!
  if (following === '$' || following.startsWith('$[')) throw missingArray(path, value)
  if (value !== undefined) {
    if (context.lenient) return value
    throw notViable(following, key, value)
  }
  if (!context.create) return undefined
  const made = descend(Doc.empty, parts, at + 1, `${path}.`, context, operation, true) as Doc
  if (made.size === 0) return undefined
  if (!isNew) context.changes.record(path, 'insert')
  return made
}

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

function withoutKey(container: Container, key: string): Container {
  return container instanceof Doc ? container.without(key) : container
}

function keysAt(
  container: Container,
  parts: readonly string[],
  at: number,
  prefix: string,
  context: PathContext,
): readonly string[] {
  const part = parts[at]!
  if (container instanceof Doc) {
    if (part === '$' || part.startsWith('$[')) {
      throw refusal(
        'BadValue',
        `Cannot apply array updates to non-array element ${prefix.slice(0, -1)}`,
      )
    }
    return [part]
  }
  if (part === '$') {
    if (context.position === undefined)
      throw refusal(
        'BadValue',
        'The positional operator did not find the match needed from the query.',
      )
    return [String(context.position)]
  }
  if (part === '$[]') return container.map((_, index) => String(index))
  if (part.startsWith('$[')) {
    const name = part.slice(2, -1)
    const matches = context.identifiers.get(name)!
    return container.flatMap((element: unknown, index) =>
      matches(Doc.of([[name, element]])) ? [String(index)] : [],
    )
  }
  if (/^(0|[1-9]\d*)$/.test(part)) {
    const exists = Number(part) < container.length
    return exists || context.create ? [part] : []
  }
  if (context.lenient) return []
  throw notViable(part, prefix.slice(0, -1).split('.').at(-1)!, container)
}

function missingArray(path: string, child: unknown): Error {
  if (child === undefined)
    return refusal(
      'BadValue',
      `The path '${path}' must exist in the document in order to apply array updates.`,
    )
  return refusal('BadValue', `Cannot apply array updates to non-array element ${path}`)
}

function notViable(field: string, parent: string, value: unknown): Error {
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return refusal('PathNotViable', `Cannot create field '${field}' in element {${parent}: ${shown}}`)
}
