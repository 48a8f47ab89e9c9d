// Projections: which fields of a document a reply contains. Included fields keep the order of the
// document, and computed fields come last. An array on the way is projected element by element.
import { fieldsOf, isDoc, setField, type Doc } from '../bson/codec.ts'
import { isNumeric } from '../bson/numbers.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { compileExpression, type Expression, type Variables } from './expression.ts'
import { parseFilter, truthy } from './filter.ts'
import { compileFilter } from './match.ts'
import { sliceOf } from './slice.ts'

/** Projects one document. `position` is the array index that the filter matched, for `field.$`. */
export type Projector = (doc: Doc, position?: number) => Doc

type Leaf =
  | { kind: 'include' | 'exclude' | 'positional' }
  | { kind: 'compute'; evaluate: Expression }
  | { kind: 'array'; pick: (array: readonly unknown[]) => unknown[] | undefined }
type Tree = Map<string, Tree | Leaf>

/** A compiled projection. */
export interface Projection {
  readonly project: Projector
  /** Whether it contains a `field.$`, and therefore needs to know which array element matched. */
  readonly positional: boolean
}

/**
 * Compiles the projection of a find, or a stage `$project` (`stage`), which can't contain
 * `field.$`, `$slice` or `$elemMatch`.
 */
export function compileProjection(spec: Doc, variables: Variables, stage = false): Projection {
  const tree: Tree = new Map()
  const state = {
    inclusive: undefined as boolean | undefined,
    id: undefined as boolean | undefined,
    positional: false,
  }
  for (const [path, value] of flatten(spec, '')) {
    const leaf = leafOf(path, value, variables, stage)
    recordMode(state, path, leaf, stage)
    insertLeaf(tree, leaf.kind === 'positional' ? path.slice(0, -2) : path, leaf)
  }
  const inclusive = state.inclusive ?? (state.id === true && spec._id !== undefined)
  if (inclusive && state.id !== false && !tree.has('_id')) tree.set('_id', { kind: 'include' })
  return {
    positional: state.positional,
    project: (doc, position) => applyTree(doc, tree, inclusive, doc, position),
  }
}

function* flatten(spec: Doc, prefix: string): Generator<[string, unknown]> {
  for (const [name, value] of Object.entries(spec)) {
    if (name === '')
      throw locationRefusal(40352, 'FieldPath cannot be constructed with empty string')
    const isNested =
      isDoc(value) &&
      !(Object.keys(value)[0] ?? '').startsWith('$') &&
      value._bsontype === undefined
    if (isNested && Object.keys(value).length === 0) {
      throw locationRefusal(
        51270,
        'An empty sub-projection is not a valid value. Found empty object at path',
      )
    }
    if (isNested) yield* flatten(value, `${prefix}${name}.`)
    else yield [`${prefix}${name}`, value]
  }
}

function leafOf(path: string, value: unknown, variables: Variables, stage: boolean): Leaf {
  if (path.endsWith('.$')) {
    if (stage) throw locationRefusal(31254, 'positional projection is only allowed in find')
    return { kind: 'positional' }
  }
  if (path.startsWith('$') || path.includes('.$'))
    throw locationRefusal(
      16979,
      `FieldPath field names may not start with '$'. Consider using $getField or $setField.`,
    )
  if (typeof value === 'boolean' || isNumeric(value))
    return { kind: truthy(value) ? 'include' : 'exclude' }
  if (!stage && isDoc(value)) {
    const [operator] = Object.keys(value)
    if (operator === '$slice' && !isExpressionSlice(value.$slice))
      return { kind: 'array', pick: sliceOf(value.$slice) }
    if (operator === '$elemMatch')
      return { kind: 'array', pick: elementOf(value.$elemMatch, variables) }
    if (operator === '$meta') throw refusal('NotImplemented', '$meta is not supported')
  }
  return { kind: 'compute', evaluate: compileExpression(value, variables) }
}

function isExpressionSlice(operand: unknown): boolean {
  return Array.isArray(operand) && !operand.every((entry) => isNumeric(entry))
}

function elementOf(
  operand: unknown,
  variables: Variables,
): (array: readonly unknown[]) => unknown[] | undefined {
  if (!isDoc(operand)) throw locationRefusal(31274, 'elemMatch: Invalid argument, object required')
  const matches = compileFilter(parseFilter({ field: { $elemMatch: operand } }, variables))
  return (array) => {
    const found = array.find((element) => matches({ field: [element] }))
    return found === undefined ? undefined : [found]
  }
}

function recordMode(
  state: { inclusive?: boolean; id?: boolean; positional: boolean },
  path: string,
  leaf: Leaf,
  stage: boolean,
): void {
  if (leaf.kind === 'positional') state.positional = true
  if (path === '_id' && (leaf.kind === 'include' || leaf.kind === 'exclude')) {
    state.id = leaf.kind === 'include'
    return
  }
  if (leaf.kind === 'array' || (leaf.kind === 'compute' && !stage && state.inclusive === false)) {
    if (leaf.kind === 'compute')
      throw locationRefusal(31254, `Cannot do inclusion on field ${path} in exclusion projection`)
    return
  }
  const inclusive = leaf.kind !== 'exclude'
  if (state.inclusive !== undefined && state.inclusive !== inclusive) {
    const [code, word, other] = inclusive
      ? ([31253, 'inclusion', 'exclusion'] as const)
      : ([31254, 'exclusion', 'inclusion'] as const)
    throw locationRefusal(code, `Cannot do ${word} on field ${path} in ${other} projection`)
  }
  state.inclusive = inclusive
}

function insertLeaf(tree: Tree, path: string, leaf: Leaf): void {
  let level = tree
  const parts = path.split('.')
  parts.forEach((part, at) => {
    const present = level.get(part)
    const last = at === parts.length - 1
    if (present && (last || !(present instanceof Map)))
      throw locationRefusal(31249, `Path collision at ${path}`)
    if (last) {
      level.set(part, leaf)
      return
    }
    const next: Tree = (present as Tree | undefined) ?? new Map()
    level.set(part, next)
    level = next
  })
}

function applyTree(value: Doc, tree: Tree, inclusive: boolean, root: Doc, position?: number): Doc {
  const result: Doc = {}
  for (const [name, field] of Object.entries(fieldsOf(value))) {
    const node = tree.get(name)
    const untouched = inclusive ? undefined : field
    const kept = node ? applyNode(field, node, inclusive, root, position) : untouched
    if (kept !== undefined) setField(result, name, kept)
  }
  addComputed(result, tree, root, (name) => !Object.hasOwn(value, name))
  return result
}

/** Adds the computed fields of the tree whose names are `wanted`. */
function addComputed(
  result: Doc,
  tree: Tree,
  root: Doc,
  wanted: (name: string) => boolean = () => true,
): void {
  for (const [name, node] of tree) {
    if (!wanted(name)) continue
    const value = computedValue(node, root)
    if (value !== undefined) setField(result, name, value)
  }
}

function computedValue(node: Tree | Leaf, root: Doc): unknown {
  if (!(node instanceof Map)) return node.kind === 'compute' ? node.evaluate(root) : undefined
  const result: Doc = {}
  addComputed(result, node, root)
  return Object.keys(result).length > 0 ? result : undefined
}

function applyNode(
  value: unknown,
  node: Tree | Leaf,
  inclusive: boolean,
  root: Doc,
  position?: number,
): unknown {
  if (node instanceof Map) return applyToChildren(value, node, inclusive, root, position)
  switch (node.kind) {
    case 'include':
      return value
    case 'exclude':
      return undefined
    case 'compute':
      return node.evaluate(root)
    case 'array':
      return Array.isArray(value) ? node.pick(value) : inclusive ? undefined : value
    case 'positional':
      return Array.isArray(value) ? matchedElement(value, position) : value
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

function applyToChildren(
  value: unknown,
  tree: Tree,
  inclusive: boolean,
  root: Doc,
  position?: number,
): unknown {
  if (Array.isArray(value)) {
    return value
      .map((element: unknown) => applyToChildren(element, tree, inclusive, root, position))
      .filter((element) => element !== undefined)
  }
  if (isDoc(value)) return applyTree(value, tree, inclusive, root, position)
  return inclusive ? computedValue(tree, root) : value
}
