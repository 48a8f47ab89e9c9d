// Projections: which fields of a document a reply contains. Included fields keep the order of the
// document, and computed fields come last. An array on the way is projected element by element.
import { Doc, Field } from '../bson/doc.ts'
import { isNumeric } from '../bson/numbers.ts'
import { isDoc } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { compileExpression } from '../expression/compile.ts'
import type { Expression, Variables } from '../expression/expression.ts'
import { isTrue } from '../expression/truth.ts'
import { parseFilter, type Filter } from './filter.ts'
import { compileFilter } from './match.ts'
import { sliceOf } from './slice.ts'

/** Projects one document. `position` is the array index that the filter matched, for `field.$`. */
export type Projector = (doc: Doc, position?: number) => Doc

type Leaf =
  | { kind: 'include' | 'exclude' | 'positional' }
  | { kind: 'compute'; expression: Expression }
  | { kind: 'slice'; pick: (array: readonly unknown[]) => unknown[] }
  | { kind: 'elemMatch'; pick: (value: unknown) => unknown[] | undefined }
type Tree = Map<string, Tree | Leaf>

/** A compiled projection. */
export interface Projection {
  readonly project: Projector
  /** Whether it contains a `field.$`, and therefore needs to know which array element matched. */
  readonly positional: boolean
}

/** What the fields of a projection have said so far about its kind. */
interface Mode {
  inclusive: boolean | undefined
  id: boolean | undefined
  positional: boolean
  elemMatch: boolean
  slice: boolean
}

/**
 * Compiles the projection of a find with this filter, or a stage `$project`. A stage has no filter
 * and can't contain `field.$`, `$slice` or `$elemMatch`.
 */
export function compileProjection(spec: Doc, variables: Variables, query?: Filter): Projection {
  const tree: Tree = new Map()
  const mode: Mode = {
    inclusive: undefined,
    id: undefined,
    positional: false,
    elemMatch: false,
    slice: false,
  }
  for (const [path, value] of flatten(spec, '')) {
    const leaf = leafOf(path, value, variables, query)
    recordMode(mode, path, leaf, value)
    insertLeaf(tree, leaf.kind === 'positional' ? path.slice(0, -2) : path, leaf)
  }
  const inclusive = mode.inclusive ?? (mode.id === true || (mode.elemMatch && !mode.slice))
  // What is included anyway is no field to leave out.
  if (!inclusive && mode.id === true) tree.delete('_id')
  if (inclusive) computeElements(tree)
  if (mode.positional && !inclusive)
    throw locationRefusal(31395, 'positional projection cannot be used with exclusion')
  if (inclusive && mode.id !== false && !tree.has('_id')) tree.set('_id', { kind: 'include' })
  return {
    positional: mode.positional,
    project: (doc, position) => project(doc, tree, { inclusive, root: doc, position }),
  }
}

/** Beside included fields, the elements that `$elemMatch` picks come last, as what is computed. */
function computeElements(tree: Tree): void {
  for (const [name, node] of tree) {
    if (node instanceof Map || node.kind !== 'elemMatch') continue
    const expression: Expression = { constant: false, of: (root) => node.pick(root.get(name)) }
    tree.set(name, { kind: 'compute', expression })
  }
}

function* flatten(spec: Doc, prefix: string): Generator<[string, unknown]> {
  for (const { name, value } of spec.fields) {
    if (name === '')
      throw locationRefusal(40352, 'FieldPath cannot be constructed with empty string')
    const isNested = isDoc(value) && !(value.size === 1 && value.firstName.startsWith('$'))
    if (isNested && value.size === 0)
      throw locationRefusal(
        51270,
        'An empty sub-projection is not a valid value. Found empty object at path',
      )
    if (isNested) yield* flatten(value, `${prefix}${name}.`)
    else yield [`${prefix}${name}`, value]
  }
}

function leafOf(path: string, value: unknown, variables: Variables, query?: Filter): Leaf {
  if (path.split('.').includes('$')) {
    if (!query)
      throw locationRefusal(31324, 'Cannot use positional projection in aggregation projection')
    const field = path.slice(0, -2)
    if (isDoc(value) || !(typeof value === 'boolean' || isNumeric(value)))
      throw locationRefusal(
        isDoc(value) ? 31271 : 31308,
        'positional projection cannot be used with an expression, sub object or literal',
      )
    if (isTrue(value) && !asksFor(query, field.split('.')[0]!))
      throw locationRefusal(
        31277,
        `Positional projection '${path}' does not match the query document.`,
      )
    if (!path.endsWith('.$') || field.includes('.'))
      throw refusal('NotImplemented', `the positional projection '${path}' is not supported`)
    return { kind: 'positional' }
  }
  const parts = path.split('.')
  if (parts.at(-1) === '') throw locationRefusal(40353, "FieldPath must not end with a '.'.")
  if (parts.includes(''))
    throw locationRefusal(15998, 'FieldPath field names may not be empty strings.')
  if (parts.some((part) => part.startsWith('$')))
    throw locationRefusal(
      16410,
      "FieldPath field names may not start with '$'. Consider using $getField or $setField.",
    )
  if (typeof value === 'boolean' || isNumeric(value))
    return { kind: isTrue(value) ? 'include' : 'exclude' }
  if (query && isDoc(value)) {
    const operand = value.get(value.firstName)
    switch (value.firstName) {
      case '$slice':
        if (Array.isArray(operand) && !operand.every((entry) => isNumeric(entry))) break
        return { kind: 'slice', pick: sliceOf(operand) }
      case '$elemMatch':
        if (path.includes('.'))
          throw locationRefusal(31275, 'Cannot use $elemMatch projection on a nested field.')
        return { kind: 'elemMatch', pick: elementOf(operand, variables) }
    }
  }
  if (isDoc(value) && value.firstName === '$meta')
    throw refusal('NotImplemented', '$meta is not supported')
  return { kind: 'compute', expression: compileExpression(value, variables) }
}

/** Whether a filter has a condition on a field or below it. */
function asksFor(query: Filter, field: string): boolean {
  if (query.kind === 'not') return asksFor(query.filter, field)
  if ('filters' in query) return query.filters.some((filter) => asksFor(filter, field))
  return 'path' in query && query.path.split('.')[0] === field
}

function elementOf(
  operand: unknown,
  variables: Variables,
): (value: unknown) => unknown[] | undefined {
  if (!isDoc(operand)) throw locationRefusal(31274, 'elemMatch: Invalid argument, object required')
  const filter = Doc.of([['field', Doc.of([['$elemMatch', operand]])]])
  const matches = compileFilter(parseFilter(filter, variables))
  return (value) => {
    if (!Array.isArray(value)) return undefined
    const found: unknown = value.find((element) => matches(Doc.of([['field', [element]]])))
    return found === undefined ? undefined : [found]
  }
}

function recordMode(mode: Mode, path: string, leaf: Leaf, value: unknown): void {
  if (leaf.kind === 'positional') {
    if (mode.positional)
      throw locationRefusal(31276, 'Cannot specify more than one positional proj. per query.')
    mode.positional = true
  }
  if (
    (leaf.kind === 'positional' && mode.elemMatch) ||
    (leaf.kind === 'elemMatch' && mode.positional)
  )
    throw locationRefusal(
      leaf.kind === 'positional' ? 31256 : 31255,
      'Cannot specify positional operator and $elemMatch.',
    )
  if (path === '_id' && (leaf.kind === 'include' || leaf.kind === 'exclude')) {
    mode.id = leaf.kind === 'include'
    return
  }
  if (leaf.kind === 'slice' || leaf.kind === 'elemMatch') {
    mode[leaf.kind] = true
    return
  }
  const inclusive = leaf.kind !== 'exclude'
  if (mode.inclusive === undefined || mode.inclusive === inclusive) {
    mode.inclusive = inclusive
    return
  }
  if (leaf.kind === 'compute')
    throw isDoc(value)
      ? locationRefusal(31252, 'Cannot use expression other than $meta in exclusion projection')
      : locationRefusal(31310, 'Cannot use an expression in an exclusion projection')
  throw inclusive
    ? locationRefusal(31253, `Cannot do inclusion on field ${path} in exclusion projection`)
    : locationRefusal(31254, `Cannot do exclusion on field ${path} in inclusion projection`)
}

function insertLeaf(tree: Tree, path: string, leaf: Leaf): void {
  let level = tree
  const parts = path.split('.')
  for (const [at, part] of parts.entries()) {
    const present = level.get(part)
    if (at === parts.length - 1) {
      if (present) throw locationRefusal(31250, `Path collision at ${path}`)
      level.set(part, leaf)
      return
    }
    if (present && !(present instanceof Map))
      throw locationRefusal(
        31249,
        `Path collision at ${path} remaining portion ${parts.slice(at + 1).join('.')}`,
      )
    const next: Tree = present ?? new Map()
    level.set(part, next)
    level = next
  }
}

/** What a projection works on. */
interface Projecting {
  readonly inclusive: boolean
  readonly root: Doc
  readonly position: number | undefined
}

function project(doc: Doc, tree: Tree, context: Projecting): Doc {
  const kept: Field[] = []
  for (const field of doc.fields) {
    const node = tree.get(field.name)
    if (!node) {
      if (!context.inclusive) kept.push(field)
    } else if (node instanceof Map) {
      const value = projectBelow(field.value, node, context)
      if (value !== undefined) kept.push(Field.of(field.name, value))
    } else if (node.kind === 'include') {
      kept.push(field)
    } else {
      const value = picked(field.value, node, context)
      if (value !== undefined) kept.push(Field.of(field.name, value))
    }
  }
  addComputed(kept, tree, context.root, doc)
  return Doc.from(kept)
}

/** Adds the computed fields, and the objects of computed fields that the document lacks. */
function addComputed(fields: Field[], tree: Tree, root: Doc, present: Doc): void {
  for (const [name, node] of tree) {
    if (node instanceof Map && present.has(name)) continue
    const value = computedValue(node, root)
    if (value !== undefined) fields.push(Field.of(name, value))
  }
}

function computedValue(node: Tree | Leaf, root: Doc): unknown {
  if (!(node instanceof Map)) return node.kind === 'compute' ? node.expression.of(root) : undefined
  const fields: Field[] = []
  addComputed(fields, node, root, Doc.empty)
  return fields.length > 0 || hasComputed(node) ? Doc.from(fields) : undefined
}

function hasComputed(tree: Tree): boolean {
  return [...tree.values()].some((node) =>
    node instanceof Map ? hasComputed(node) : node.kind === 'compute',
  )
}

function picked(value: unknown, leaf: Leaf, { position }: Projecting): unknown {
  switch (leaf.kind) {
    case 'slice':
      return Array.isArray(value) ? leaf.pick(value) : value
    case 'elemMatch':
      return leaf.pick(value)
    case 'positional':
      return Array.isArray(value) ? matchedElement(value, position) : value
    default:
      return undefined
  }
}

function matchedElement(array: readonly unknown[], position: number | undefined): unknown[] {
  if (position === undefined || position >= array.length) {
    throw locationRefusal(
      51246,
      "Executor error during find command :: caused by :: positional operator '.$' couldn't find a matching element in the array",
    )
  }
  return [array[position]]
}

function projectBelow(value: unknown, tree: Tree, context: Projecting): unknown {
  if (Array.isArray(value))
    return value
      .map((element: unknown) => projectBelow(element, tree, context))
      .filter((element) => element !== undefined)
  if (isDoc(value)) return project(value, tree, context)
  return context.inclusive ? computedValue(tree, context.root) : value
}
