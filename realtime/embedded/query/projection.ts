// Which fields of a document a reply contains, and what `$set` computes: both are a tree of paths.
// Fields keep the order of the document, and new ones come last. An array on the way is taken
// element by element.
import { Doc, Field } from '../bson/doc.ts'
import { isNumeric } from '../bson/numbers.ts'
import { isDoc } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { compileExpression } from '../expression/compile.ts'
import type { Expression, Variables } from '../expression/expression.ts'
import { isTrue } from '../expression/truth.ts'

/** Turns one document into another. */
export type DocumentTransform = (doc: Doc) => Doc

type Leaf = 'include' | 'exclude' | Expression
type Tree = Map<string, Tree | Leaf>

/** What happens to fields that the tree doesn't name, and where computed ones come. */
type Mode = 'include' | 'exclude' | 'assign'

/** Compiles the projection of a find, or of the stage `$project`. */
export function compileProjection(spec: Doc, variables: Variables): DocumentTransform {
  const tree: Tree = new Map()
  let mode: 'include' | 'exclude' | undefined
  let id: Leaf | undefined
  for (const [path, value] of flatten(spec, '')) {
    const leaf = leafOf(path, value, variables)
    if (path === '_id' && typeof leaf === 'string') id = leaf
    else mode = modeWith(mode, path, leaf, value)
    insert(tree, path, leaf, [31250, 31249])
  }
  mode ??= id === 'include' ? 'include' : 'exclude'
  // What is included anyway is no field to leave out.
  if (mode === 'exclude' && id === 'include') tree.delete('_id')
  if (mode === 'include' && !tree.has('_id')) tree.set('_id', 'include')
  return (doc) => project(doc, tree, mode, doc)
}

/** Compiles the stage `$set`, which is also called `$addFields`. */
export function compileAssignments(spec: Doc, variables: Variables): DocumentTransform {
  const tree: Tree = new Map()
  for (const [path, value] of flattenAssignments(spec, '')) {
    checkPath(path)
    insert(tree, path, compileExpression(value, variables), [40176, 40176])
  }
  return (doc) => project(doc, tree, 'assign', doc)
}

function* flatten(spec: Doc, prefix: string): Generator<[string, unknown]> {
  for (const { name, value } of spec.fields) {
    if (name === '')
      throw locationRefusal(40352, 'FieldPath cannot be constructed with empty string')
    const isNested = isDoc(value) && !(value.size === 1 && value.firstName.startsWith('$'))
    if (isNested && value.size === 0)
      throw locationRefusal(51270, 'An empty sub-projection is not a valid value')
    if (isNested) yield* flatten(value, `${prefix}${name}.`)
    else yield [`${prefix}${name}`, value]
  }
}

function* flattenAssignments(spec: Doc, prefix: string): Generator<[string, unknown]> {
  for (const { name, value } of spec.fields) {
    const path = `${prefix}${name}`
    if (prefix !== '' && name.includes('.'))
      throw locationRefusal(40183, `cannot use dotted field name '${name}' in a sub object`)
    if (!isDoc(value)) {
      yield [path, value]
      continue
    }
    if (value.size === 0)
      throw refusal('NotImplemented', `the empty object at '${path}' is not supported`)
    if (value.size > 1 && value.fields.some((field) => field.name.startsWith('$')))
      throw locationRefusal(40181, 'an expression specification must contain exactly one field')
    if (value.firstName.startsWith('$')) yield [path, value]
    else yield* flattenAssignments(value, `${path}.`)
  }
}

function leafOf(path: string, value: unknown, variables: Variables): Leaf {
  if (path.split('.').includes('$'))
    throw refusal('NotImplemented', `the positional projection '${path}' is not supported`)
  checkPath(path)
  if (typeof value === 'boolean' || isNumeric(value)) return isTrue(value) ? 'include' : 'exclude'
  return compileExpression(value, variables)
}

function checkPath(path: string): void {
  const parts = path.split('.')
  if (path === '') throw locationRefusal(40352, 'FieldPath cannot be constructed with empty string')
  if (parts.at(-1) === '') throw locationRefusal(40353, "FieldPath must not end with a '.'.")
  if (parts.includes('')) throw locationRefusal(15998, 'FieldPath field names may not be empty.')
  if (parts.some((part) => part.startsWith('$')))
    throw locationRefusal(16410, "FieldPath field names may not start with '$'.")
}

/** The mode of a projection with one path more. Fields in and fields out can't be mixed. */
function modeWith(
  before: 'include' | 'exclude' | undefined,
  path: string,
  leaf: Leaf,
  value: unknown,
): 'include' | 'exclude' {
  const mode = leaf === 'exclude' ? 'exclude' : 'include'
  if (before === undefined || before === mode) return mode
  if (typeof leaf !== 'string')
    throw locationRefusal(isDoc(value) ? 31252 : 31310, 'Cannot compute in an exclusion projection')
  throw locationRefusal(mode === 'include' ? 31253 : 31254, `Cannot ${mode} ${path} beside others`)
}

/** `codes` are for a path that is there already, and for one through such a path. */
function insert(tree: Tree, path: string, leaf: Leaf, codes: readonly [number, number]): void {
  const parts = path.split('.')
  const last = parts.pop()!
  let level = tree
  for (const part of parts) {
    const next: Tree | Leaf = level.get(part) ?? new Map<string, Tree | Leaf>()
    if (!(next instanceof Map)) throw locationRefusal(codes[1], `Path collision at ${path}`)
    level.set(part, next)
    level = next
  }
  if (level.has(last)) throw locationRefusal(codes[0], `Path collision at ${path}`)
  level.set(last, leaf)
}

function project(doc: Doc, tree: Tree, mode: Mode, root: Doc): Doc {
  const fields: Field[] = []
  const missing = new Map(tree)
  for (const field of doc.fields) {
    const node = tree.get(field.name)
    if (node === undefined ? mode !== 'include' : node === 'include') fields.push(field)
    if (node === undefined || typeof node === 'string') continue
    if (!(node instanceof Map) && mode !== 'assign') continue
    missing.delete(field.name)
    const value = node instanceof Map ? below(field.value, node, mode, root) : node.of(root)
    if (value !== undefined) fields.push(Field.of(field.name, value))
  }
  addComputed(fields, missing, root)
  return Doc.from(fields)
}

function below(value: unknown, tree: Tree, mode: Mode, root: Doc): unknown {
  if (isDoc(value)) return project(value, tree, mode, root)
  if (!Array.isArray(value)) return mode === 'exclude' ? value : computedIn(tree, root)
  return value
    .map((element: unknown) => below(element, tree, mode, root))
    .filter((element) => element !== undefined)
}

/** Adds the computed fields of a tree, and objects of them. */
function addComputed(fields: Field[], tree: Tree, root: Doc): void {
  for (const [name, node] of tree) {
    if (typeof node === 'string') continue
    const value = node instanceof Map ? computedIn(node, root) : node.of(root)
    if (value !== undefined) fields.push(Field.of(name, value))
  }
}

function computedIn(tree: Tree, root: Doc): Doc | undefined {
  if (!hasComputed(tree)) return undefined
  const fields: Field[] = []
  addComputed(fields, tree, root)
  return Doc.from(fields)
}

function hasComputed(tree: Tree): boolean {
  return [...tree.values()].some((node) =>
    node instanceof Map ? hasComputed(node) : typeof node !== 'string',
  )
}
