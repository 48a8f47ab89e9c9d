// Parses update operators into a list of modifications. They are ordered by path, which is how
// MongoDB applies them, and no two of them change the same path.
import type { Doc } from '../bson/doc.ts'
import { isDoc, typeOf } from '../bson/type-of.ts'
import { refusal } from '../errors.ts'
import type { Variables } from '../expression/expression.ts'
import type { Changes } from './changes.ts'
import { updateOperators } from './operators.ts'
import { PathUpdate, type Modification } from './targets.ts'

/** Applies the operators of one update. `inserting`: an upsert inserts the document. */
export type Modifiers = (doc: Doc, changes: Changes, inserting: boolean) => Doc

/** Parses `{$op: {path: operand, …}, …}`. */
export function parseModifiers(u: Doc, variables: Variables): Modifiers {
  const modifications: Modification[] = []
  for (const { name, value: fields } of u.fields) {
    const parse = Object.hasOwn(updateOperators, name) ? updateOperators[name] : undefined
    if (!parse) throw refusal('FailedToParse', `Unknown modifier: ${name}`)
    if (!isDoc(fields))
      throw refusal('FailedToParse', `${name} needs fields, but we found type ${typeOf(fields)}`)
    for (const { name: path, value: operand } of fields.fields) {
      checkPath(path)
      modifications.push({ path, ...parse(path, operand, variables) })
    }
  }
  refuseConflicts(modifications)
  modifications.sort((a, b) => comparePaths(a.path, b.path))
  return (doc, changes, inserting) =>
    modifications
      .filter(({ onInsertOnly }) => inserting || !onInsertOnly)
      .reduce((result, modification) => new PathUpdate(modification, changes).apply(result), doc)
}

/** Refuses a path that equals another one, contains it, or lies within it. */
function refuseConflicts(modifications: readonly Modification[]): void {
  const [taken, onTheWay] = [new Set<string>(), new Set<string>()]
  for (const { path } of modifications) {
    const parts = path.split('.')
    const prefixes = parts.map((_, at) => parts.slice(0, at + 1).join('.'))
    if (onTheWay.has(path) || prefixes.some((prefix) => taken.has(prefix)))
      throw refusal('ConflictingUpdateOperators', `Updating '${path}' would create a conflict`)
    taken.add(path)
    for (const prefix of prefixes) onTheWay.add(prefix)
  }
}

function checkPath(path: string): void {
  const parts = path.split('.')
  if (parts.includes(''))
    throw refusal('EmptyFieldName', `The update path '${path}' contains an empty field name`)
  if (path.startsWith('$'))
    throw refusal('DollarPrefixedFieldName', `The update path '${path}' begins with $`)
  if (parts.some((part) => /^\$(?:\[.*\])?$/.test(part)))
    throw refusal('NotImplemented', `the positional operator in '${path}' is not supported`)
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
