// Finds the targets of an update path: through objects, by array index, and by `$`, `$[]` and
// `$[identifier]`. Creates the objects on the way if the operator may.
import { getField, isDoc, setField, type Doc } from '../bson/codec.ts'
import { refusal } from '../errors.ts'
import type { Matcher } from '../query/match.ts'
import type { ChangedPaths } from './changed-paths.ts'

/** One value that an operator works on: a field of an object or an element of an array. */
export interface UpdateTarget {
  readonly container: Doc | unknown[]
  readonly key: string
  readonly path: string
}

/** Does the work of one operator on one target and records what changed. */
export type TargetOperation = (target: UpdateTarget, changes: ChangedPaths) => void

/** What the special parts of a path stand for. */
export interface PathContext {
  readonly position: number | undefined
  readonly identifiers: ReadonlyMap<string, Matcher>
  /** Whether missing objects on the way are created. If not, a missing path has no target. */
  readonly create: boolean
  readonly changes: ChangedPaths
}

/** The value at a target; undefined if it is missing. */
export function valueAt({ container, key }: UpdateTarget): unknown {
  return Array.isArray(container) ? container[Number(key)] : getField(container, key)
}

/** Writes the value at a target. An array is filled with null up to the index. */
export function writeAt({ container, key }: UpdateTarget, value: unknown): void {
  if (!Array.isArray(container)) return setField(container, key, value)
  const index = Number(key)
  if (index - container.length > 1_500_000)
    throw refusal('BadValue', "can't backfill more than 1500000 elements")
  while (container.length < index) container.push(null)
  container[index] = value
}

/** Calls `visit` for every target of a path. */
export function eachTarget(
  root: Doc,
  path: string,
  context: PathContext,
  visit: (target: UpdateTarget) => void,
): void {
  descend(root, path.split('.'), 0, '', context, visit)
}

function descend(
  container: Doc | unknown[],
  parts: readonly string[],
  at: number,
  prefix: string,
  context: PathContext,
  visit: (target: UpdateTarget) => void,
): void {
  for (const key of keysAt(container, parts, at, prefix, context)) {
    const target = { container, key, path: prefix + key }
    if (at === parts.length - 1) {
      visit(target)
      continue
    }
    const child = valueAt(target)
    if (isDoc(child) || Array.isArray(child))
      descend(child, parts, at + 1, `${target.path}.`, context, visit)
    else if (parts[at + 1]!.startsWith('$')) throw missingArray(target.path, child)
    else if (child === undefined && context.create) create(target, parts, at, context, visit)
    else if (context.create) throw notViable(parts[at + 1]!, key, child)
  }
}

function create(
  target: UpdateTarget,
  parts: readonly string[],
  at: number,
  context: PathContext,
  visit: (target: UpdateTarget) => void,
): void {
  const created: Doc = {}
  descend(created, parts, at + 1, `${target.path}.`, context, visit)
  if (Object.keys(created).length === 0) return
  writeAt(target, created)
  context.changes.set(target.path, created)
  for (const path of [...context.changes.updated.keys()]) {
    if (path.startsWith(`${target.path}.`)) context.changes.updated.delete(path)
  }
}

function keysAt(
  container: Doc | unknown[],
  parts: readonly string[],
  at: number,
  prefix: string,
  context: PathContext,
): readonly string[] {
  const part = parts[at]!
  if (!Array.isArray(container)) {
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
      matches({ [name]: element }) ? [String(index)] : [],
    )
  }
  if (/^(0|[1-9]\d*)$/.test(part)) return [part]
  if (context.create) throw notViable(part, prefix.slice(0, -1).split('.').at(-1)!, container)
  return []
}

function missingArray(path: string, child: unknown): Error {
  if (child === undefined)
    return refusal(
      'BadValue',
      `The path '${path}' must exist in the document in order to apply array updates.`,
    )
  return refusal(
    'BadValue',
    `Cannot apply array updates to non-array element ${path}: ${String(child)}`,
  )
}

function notViable(field: string, parent: string, value: unknown): Error {
  return refusal(
    'PathNotViable',
    `Cannot create field '${field}' in element {${parent}: ${JSON.stringify(value)}}`,
  )
}
