// Parses update operators into a list of modifications. They are ordered by path, which is how
// MongoDB applies them, and no two of them change the same path.
import type { Doc } from '../bson/doc.ts'
import { isDoc, typeOf } from '../bson/type-of.ts'
import { refusal } from '../errors.ts'
import type { Variables } from '../expression/expression.ts'
import { addToSet, pop, pull, pullAll, push } from './array-operators.ts'
import type { ChangedPaths } from './changed-paths.ts'
import { currentDate, extreme, increase, set, unset } from './operators.ts'
import { updateAt, type TargetOperation } from './targets.ts'

/** What an operator does at a path. */
interface Modification {
  readonly path: string
  readonly operation: TargetOperation
  /** Whether a path that is missing stays missing. */
  readonly existing?: boolean
  /** Whether a path that can't be created is simply missing. */
  readonly lenient?: boolean
  readonly onInsertOnly?: boolean
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

/** The operators that the engine claims. */
export const updateOperators: Record<string, OperatorParser> = {
  $set: (_, operand) => ({ operation: set(operand) }),
  $setOnInsert: (_, operand) => ({ operation: set(operand), onInsertOnly: true }),
  $unset: () => ({ operation: unset, existing: true, lenient: true }),
  $inc: (path, operand) => ({ operation: increase('$inc', path, operand) }),
  $mul: (path, operand) => ({ operation: increase('$mul', path, operand) }),
  $min: (_, operand) => ({ operation: extreme('$min', operand) }),
  $max: (_, operand) => ({ operation: extreme('$max', operand) }),
  $currentDate: (_, operand, variables) => ({ operation: currentDate(operand, variables) }),
  $push: (path, operand) => ({ operation: push(path, operand) }),
  $addToSet: (path, operand) => ({ operation: addToSet(path, operand) }),
  $pull: (path, operand, variables) => ({
    operation: pull(path, operand, variables),
    existing: true,
  }),
  $pullAll: (path, operand) => ({ operation: pullAll(path, operand), existing: true }),
  $pop: (path, operand) => ({ operation: pop(path, operand), existing: true }),
}

/** Parses `{$op: {path: operand, …}, …}`. */
export function parseModifiers(u: Doc, variables: Variables): Modifiers {
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
  const checkConflict = conflictFinder()
  for (const { path } of modifications) checkConflict(path)
  modifications.sort((a, b) => comparePaths(a.path, b.path))
  return {
    apply: (doc, changes, situation) => applyAll(doc, changes, situation, modifications),
  }
}

function applyAll(
  doc: Doc,
  changes: ChangedPaths,
  { position, inserting }: UpdateContext,
  modifications: readonly Modification[],
): Doc {
  // Two positional paths may turn out to lead to the same value.
  const isPositional = modifications.some(({ path }) => path.includes('$'))
  const onTarget = isPositional ? conflictFinder() : () => undefined
  return modifications
    .filter(({ onInsertOnly }) => inserting || !onInsertOnly)
    .reduce((result, { path, operation, existing, lenient = false }) => {
      const context = { position, create: !existing, lenient, changes, onTarget }
      return updateAt(result, path, context, operation)
    }, doc)
}

/** Refuses a path that equals an earlier one, contains it, or lies within it. */
function conflictFinder(): (path: string) => void {
  const [taken, onTheWay] = [new Set<string>(), new Set<string>()]
  return (path) => {
    const parts = path.split('.')
    const prefixes = parts.map((_, at) => parts.slice(0, at + 1).join('.'))
    const clash = onTheWay.has(path) ? path : prefixes.find((prefix) => taken.has(prefix))
    if (clash !== undefined)
      throw refusal(
        'ConflictingUpdateOperators',
        `Updating the path '${path}' would create a conflict at '${clash}'`,
      )
    taken.add(path)
    for (const prefix of prefixes) onTheWay.add(prefix)
  }
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
  const identifier = rest.find((part) => /^\$\[.+\]$/.test(part))
  if (identifier !== undefined)
    throw refusal('BadValue', `No array filter found for '${identifier}' in path '${path}'`)
  if (rest.filter((part) => part === '$').length > 1)
    throw refusal('BadValue', `Too many positional (i.e. '$') elements found in path '${path}'`)
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
