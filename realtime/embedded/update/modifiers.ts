// Parses update operators into a list of modifications. They are ordered by path, which is how
// MongoDB applies them, and no two of them change the same path.
import type { Doc } from '../bson/doc.ts'
import { sameValue } from '../bson/order.ts'
import { isDoc, typeOf } from '../bson/type-of.ts'
import { refusal } from '../errors.ts'
import type { Variables } from '../expression/expression.ts'
import { parseFilter, refuseExpression } from '../query/filter.ts'
import { compileFilter, type Matcher } from '../query/match.ts'
import { addToSet, pop, pull, pullAll, push } from './array-operators.ts'
import type { ChangedPaths } from './changed-paths.ts'
import { bit, currentDate, extreme, increase, set, unset } from './operators.ts'
import { updateAt, type PathContext, type TargetOperation } from './targets.ts'

interface Modification {
  readonly path: string
  /** Whether a missing path is created. */
  readonly create: boolean
  /** Whether a path that can't be created is simply missing. */
  readonly lenient?: boolean
  readonly onInsertOnly: boolean
  readonly operation: TargetOperation
  /** The new path of a `$rename`. */
  readonly renameTo?: string
}

/** How an update is applied: what `$` stands for, and whether an upsert inserts the document. */
export interface UpdateContext {
  readonly position: number | undefined
  readonly inserting: boolean
}

/** The parsed operators of one update. */
export interface Modifiers {
  apply(doc: Doc, changes: ChangedPaths, situation: UpdateContext): Doc
}

type OperatorParser = (
  path: string,
  operand: unknown,
  variables: Variables,
) => Omit<Modification, 'path'>

type OperationOf = (path: string, operand: unknown, variables: Variables) => TargetOperation

/** A parser for operators that create a missing path (`create`), or leave it missing. */
const parserFor =
  (create: boolean) =>
  (operationOf: OperationOf): OperatorParser =>
  (path, operand, variables) => ({
    create,
    onInsertOnly: false,
    operation: operationOf(path, operand, variables),
  })
const creating = parserFor(true)
const existing = parserFor(false)

/** The operators that the engine claims. */
export const updateOperators: Record<string, OperatorParser> = {
  $set: creating((_, operand) => set(operand)),
  $setOnInsert: (_, operand) => ({ create: true, onInsertOnly: true, operation: set(operand) }),
  $unset: () => ({ create: false, lenient: true, onInsertOnly: false, operation: unset }),
  $inc: creating((path, operand) => increase('$inc', path, operand)),
  $mul: creating((path, operand) => increase('$mul', path, operand)),
  $min: creating((_, operand) => extreme('$min', operand)),
  $max: creating((_, operand) => extreme('$max', operand)),
  $currentDate: creating((_, operand, variables) => currentDate(operand, variables)),
  $bit: creating((_, operand) => bit(operand)),
  $push: creating((path, operand) => push(path, operand)),
  $addToSet: creating((path, operand) => addToSet(path, operand)),
  $pull: existing((path, operand, variables) => pull(path, operand, variables)),
  $pullAll: existing((path, operand) => pullAll(path, operand)),
  $pop: existing((path, operand) => pop(path, operand)),
  $rename: (path, operand) => rename(path, operand),
}

/** Parses `{$op: {path: operand, …}, …}`. */
export function parseModifiers(u: Doc, arrayFilters: unknown, variables: Variables): Modifiers {
  const modifications: Modification[] = []
  for (const { name, value: fields } of u.fields) {
    const parse = Object.hasOwn(updateOperators, name) ? updateOperators[name] : undefined
    if (!parse)
      throw refusal(
        'FailedToParse',
        `Unknown modifier: ${name}. Expected a valid update modifier or pipeline-style update specified as an array`,
      )
    if (!isDoc(fields))
      throw refusal(
        'FailedToParse',
        `Modifiers operate on fields but we found type ${typeOf(fields)} instead. For example: {$mod: {<field>: ...}} not {${name}: …}`,
      )
    for (const { name: path, value: operand } of fields.fields) {
      checkPath(path)
      modifications.push({ path, ...parse(path, operand, variables) })
    }
  }
  checkKinds(modifications.map(({ path }) => path))
  checkConflicts(
    modifications.flatMap(({ path, renameTo }) =>
      renameTo === undefined ? [path] : [path, renameTo],
    ),
  )
  const identifiers = parseArrayFilters(arrayFilters, modifications, variables)
  modifications.sort((a, b) => comparePaths(a.renameTo ?? a.path, b.renameTo ?? b.path))
  return {
    apply: (doc, changes, situation) =>
      applyAll(doc, changes, situation, modifications, identifiers),
  }
}

function applyAll(
  doc: Doc,
  changes: ChangedPaths,
  { position, inserting }: UpdateContext,
  modifications: readonly Modification[],
  identifiers: ReadonlyMap<string, Matcher>,
): Doc {
  const onTarget = conflictFinder(modifications)
  let result = doc
  for (const {
    path,
    create,
    lenient = false,
    operation,
    onInsertOnly,
    renameTo,
  } of modifications) {
    if (onInsertOnly && !inserting) continue
    const context = { position, identifiers, create, lenient, changes, onTarget }
    if (renameTo === undefined) result = updateAt(result, path, context, operation)
    else result = move(result, path, renameTo, context)
  }
  return result
}

/** Refuses two operators whose paths turn out to lead to the same value. */
function conflictFinder(modifications: readonly Modification[]): (path: string) => void {
  if (!modifications.some(({ path }) => path.includes('$'))) return () => undefined
  const taken: string[] = []
  return (path) => {
    const clash = taken.find(
      (other) => other === path || other.startsWith(`${path}.`) || path.startsWith(`${other}.`),
    )
    if (clash !== undefined)
      throw refusal('ConflictingUpdateOperators', `Update created a conflict at '${path}'`)
    taken.push(path)
  }
}

function move(doc: Doc, from: string, to: string, context: PathContext): Doc {
  let value: unknown
  const source = updateAt(doc, from, { ...context, create: false }, (target, changes) => {
    value = target.value
    return unset(target, changes)
  })
  if (value === undefined) return doc
  if (crossesArray(doc, from))
    throw refusal('BadValue', `The source field cannot be an array element, '${from}'`)
  if (crossesArray(doc, to))
    throw refusal('BadValue', `The destination field cannot be an array element, '${to}'`)
  return updateAt(source, to, { ...context, create: true }, (target) =>
    target.value !== undefined && sameValue(target.value, value) ? target.value : value,
  )
}

/** Whether a path leads to an element of an array or through one. */
function crossesArray(doc: Doc, path: string): boolean {
  let value: unknown = doc
  for (const name of path.split('.')) {
    if (Array.isArray(value)) return true
    value = isDoc(value) ? value.get(name) : undefined
  }
  return false
}

function rename(path: string, operand: unknown): Omit<Modification, 'path'> {
  if (typeof operand !== 'string')
    throw refusal('BadValue', `The 'to' field for $rename must be a string: ${path}`)
  checkPath(operand)
  if (operand === path)
    throw refusal('BadValue', `The source and target field for $rename must differ: ${path}`)
  if (operand.startsWith(`${path}.`) || path.startsWith(`${operand}.`))
    throw refusal(
      'BadValue',
      `The source and target field for $rename must not be on the same path: ${path}`,
    )
  if (`${path}.${operand}`.includes('$'))
    throw refusal('BadValue', `The source field for $rename may not be dynamic: ${path}`)
  return { create: false, onInsertOnly: false, operation: unset, renameTo: operand }
}

function checkPath(path: string): void {
  if (path === '' || path.split('.').includes('')) {
    throw refusal(
      'EmptyFieldName',
      `The update path '${path}' contains an empty field name, which is not allowed.`,
    )
  }
  const [first, ...rest] = path.split('.') as [string, ...string[]]
  if (first.startsWith('$')) {
    throw refusal(
      'DollarPrefixedFieldName',
      `The dollar ($) prefixed field '${first}' in '${path}' is not allowed in the context of an update.`,
    )
  }
  if (rest.filter((part) => part === '$').length > 1)
    throw refusal('BadValue', `Too many positional (i.e. '$') elements found in path '${path}'`)
}

function checkConflicts(paths: readonly string[]): void {
  const taken = new Set<string>()
  for (const path of [...paths].sort((a, b) => a.length - b.length)) {
    const parts = path.split('.')
    const clash = parts
      .map((_, at) => parts.slice(0, at + 1).join('.'))
      .find((prefix) => taken.has(prefix))
    if (clash !== undefined) {
      throw refusal(
        'ConflictingUpdateOperators',
        `Updating the path '${path}' would create a conflict at '${clash}'`,
      )
    }
    taken.add(path)
  }
}

/** Below one path, array filters and other paths can't be mixed. */
function checkKinds(paths: readonly string[]): void {
  const kinds = new Map<string, boolean>()
  for (const path of paths) {
    const parts = path.split('.')
    for (let at = 1; at < parts.length; at++) {
      const prefix = parts.slice(0, at).join('.')
      const isFilter = parts[at]!.startsWith('$[')
      if ((kinds.get(prefix) ?? isFilter) !== isFilter)
        throw refusal(
          'ConflictingUpdateOperators',
          `Updating the path '${path}' would create a conflict at '${prefix}'`,
        )
      kinds.set(prefix, isFilter)
    }
  }
}

function parseArrayFilters(
  given: unknown,
  modifications: readonly Modification[],
  variables: Variables,
): Map<string, Matcher> {
  const identifiers = new Map<string, Matcher>()
  if (given !== undefined && !Array.isArray(given))
    throw refusal('TypeMismatch', 'arrayFilters must be an array')
  for (const filter of (given ?? []) as unknown[]) {
    if (!isDoc(filter)) throw refusal('TypeMismatch', 'array filters must be objects')
    const matches = compileFilter(refuseExpression(parseFilter(filter, variables)))
    const name = identifierOf(filter)
    if (identifiers.has(name))
      throw refusal(
        'FailedToParse',
        `Found multiple array filters with the same top-level field name ${name}`,
      )
    identifiers.set(name, matches)
  }
  const used = new Set<string>()
  for (const { path } of modifications) {
    for (const [, name] of path.matchAll(/\$\[([^\]]+)\]/g)) {
      if (!identifiers.has(name!))
        throw refusal(
          'BadValue',
          `No array filter found for identifier '${name}' in path '${path}'`,
        )
      used.add(name!)
    }
  }
  for (const name of identifiers.keys()) {
    if (!used.has(name))
      throw refusal(
        'FailedToParse',
        `The array filter for identifier '${name}' was not used in the update`,
      )
  }
  return identifiers
}

function identifierOf(filter: Doc): string {
  const names = new Set<string>()
  const visit = (part: Doc): void => {
    for (const { name: field, value } of part.fields) {
      if (!field.startsWith('$')) names.add(field.split('.')[0]!)
      else if (Array.isArray(value)) for (const entry of value) if (isDoc(entry)) visit(entry)
    }
  }
  visit(filter)
  const [name, ...others] = names
  if (name === undefined)
    throw refusal(
      'FailedToParse',
      'Cannot use an expression without a top-level field name in arrayFilters',
    )
  if (others.length > 0) {
    throw refusal(
      'FailedToParse',
      `Error parsing array filter :: caused by :: Expected a single top-level field name, found '${name}' and '${others[0]}'`,
    )
  }
  if (!/^[a-z][a-zA-Z0-9]*$/.test(name)) {
    throw refusal(
      'BadValue',
      `Error parsing array filter :: caused by :: The top-level field name must be an alphanumeric string beginning with a lowercase letter, found '${name}'`,
    )
  }
  return name
}

/**
 * The order in which MongoDB adds new fields: parts that are numbers compare as numbers, all others
 * as text.
 */
function comparePaths(a: string, b: string): number {
  const [x, y] = [a.split('.'), b.split('.')]
  for (let at = 0; at < Math.min(x.length, y.length); at++) {
    if (x[at] === y[at]) continue
    const numeric = /^\d+$/.test(x[at]!) && /^\d+$/.test(y[at]!)
    return numeric ? Number(x[at]) - Number(y[at]) : x[at]! < y[at]! ? -1 : 1
  }
  return x.length - y.length
}
