// Parses update operators into a list of modifications. They are ordered by path, which is how
// MongoDB applies them, and no two of them change the same path.
import { isDoc, type Doc } from '../bson/codec.ts'
import { refusal } from '../errors.ts'
import type { Variables } from '../query/expression.ts'
import { parseFilter } from '../query/filter.ts'
import { compileFilter, type Matcher } from '../query/match.ts'
import { addToSet, pop, pull, pullAll, push } from './array-operators.ts'
import type { ChangedPaths } from './changed-paths.ts'
import { bit, currentDate, extreme, increase, set, unset } from './operators.ts'
import { eachTarget, valueAt, writeAt, type TargetOperation, type UpdateTarget } from './targets.ts'

interface Modification {
  readonly path: string
  /** Whether a missing path is created. */
  readonly create: boolean
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
  apply(doc: Doc, changes: ChangedPaths, situation: UpdateContext): void
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

const operators: Record<string, OperatorParser> = {
  $set: creating((_, operand) => set(operand)),
  $setOnInsert: (_, operand) => ({ create: true, onInsertOnly: true, operation: set(operand) }),
  $unset: existing(() => unset),
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
  for (const [name, fields] of Object.entries(u)) {
    const parse = Object.hasOwn(operators, name) ? operators[name] : undefined
    if (!parse)
      throw refusal(
        'FailedToParse',
        `Unknown modifier: ${name}. Expected a valid update modifier or pipeline-style update specified as an array`,
      )
    if (!isDoc(fields))
      throw refusal(
        'FailedToParse',
        `Modifiers operate on fields but we found type ${typeof fields} instead. For example: {$mod: {<field>: ...}} not {${name}: ${String(fields)}}`,
      )
    for (const [path, operand] of Object.entries(fields)) {
      checkPath(path)
      modifications.push({ path, ...parse(path, operand, variables) })
    }
  }
  checkConflicts(
    modifications.flatMap(({ path, renameTo }) =>
      renameTo === undefined ? [path] : [path, renameTo],
    ),
  )
  const identifiers = parseArrayFilters(arrayFilters, modifications, variables)
  modifications.sort((a, b) => comparePaths(a.path, b.path))
  return {
    apply: (doc, changes, situation) =>
      applyAll(doc, changes, situation, modifications, identifiers),
  }
}

function applyAll(
  doc: Doc,
  changes: ChangedPaths,
  situation: UpdateContext,
  modifications: readonly Modification[],
  identifiers: ReadonlyMap<string, Matcher>,
): void {
  for (const { path, create, operation, onInsertOnly, renameTo } of modifications) {
    if (onInsertOnly && !situation.inserting) continue
    const context = { position: situation.position, identifiers, create, changes }
    if (renameTo === undefined)
      eachTarget(doc, path, context, (target) => operation(target, changes))
    else move(doc, path, renameTo, changes)
  }
}

function move(doc: Doc, from: string, to: string, changes: ChangedPaths): void {
  const context = { position: undefined, identifiers: new Map<string, Matcher>(), changes }
  const found: { target: UpdateTarget; value: unknown }[] = []
  eachTarget(doc, from, { ...context, create: false }, (target) => {
    if (Array.isArray(target.container))
      throw refusal('BadValue', `The source field cannot be an array element, '${from}'`)
    const value = valueAt(target)
    if (value !== undefined) found.push({ target, value })
  })
  for (const { target, value } of found) {
    unset(target, changes)
    eachTarget(doc, to, { ...context, create: true }, (destination) => {
      if (Array.isArray(destination.container))
        throw refusal('BadValue', `The destination field cannot be an array element, '${to}'`)
      writeAt(destination, value)
      changes.set(destination.path, value)
    })
  }
}

function rename(path: string, operand: unknown): Omit<Modification, 'path'> {
  if (typeof operand !== 'string')
    throw refusal('BadValue', `The 'to' field for $rename must be a string: ${path}`)
  checkPath(operand)
  if (operand === path)
    throw refusal('BadValue', `The source and target field for $rename must differ: ${path}`)
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
    const name = identifierOf(filter)
    if (identifiers.has(name))
      throw refusal(
        'FailedToParse',
        `Found multiple array filters with the same top-level field name ${name}`,
      )
    identifiers.set(name, compileFilter(parseFilter(filter, variables)))
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
    for (const [field, value] of Object.entries(part)) {
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
