// Which fields of a document a reply contains, and what `$set` computes: both are a tree of paths.
// Fields keep the order of the document, and new ones come last. An array on the way is taken
// element by element.
import { Doc, Field } from '../bson/doc.ts'
import { isNumeric } from '../bson/numbers.ts'
import { isDoc } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import {
  checkPath,
  compileExpression,
  isTrue,
  type Expression,
  type Variables,
} from '../expression/expression.ts'

export type DocumentTransform = (doc: Doc) => Doc

type Leaf = 'include' | 'exclude' | Expression
interface Tree {
  readonly nodes: Map<string, Tree | Leaf>
  /** Whether some leaf is an expression. */
  computes: boolean
}

/** What happens to fields that the tree doesn't name, and where computed ones come. */
type Mode = 'include' | 'exclude' | 'assign'

/** Compiles the projection of a find, or of the stage `$project`. */
export function compileProjection(spec: Doc, variables: Variables): DocumentTransform {
  const tree = emptyTree()
  let mode: 'include' | 'exclude' | undefined
  let id: Leaf | undefined
  for (const [path, value] of flatten(spec, '', false)) {
    const leaf = leafOf(value, variables)
    if (path === '_id' && typeof leaf === 'string') id = leaf
    else mode = modeWith(mode, path, leaf, value)
    insert(tree, path, leaf, [31250, 31249])
  }
  mode ??= id === 'include' ? 'include' : 'exclude'
  // What is included anyway is no field to leave out.
  if (mode === 'exclude' && id === 'include') tree.nodes.delete('_id')
  if (mode === 'include' && !tree.nodes.has('_id')) tree.nodes.set('_id', 'include')
  return (doc) => project(doc, tree, mode, doc)
}

export function compileAssignments(spec: Doc, variables: Variables): DocumentTransform {
  const tree = emptyTree()
  for (const [path, value] of flatten(spec, '', true))
    insert(tree, path, compileExpression(value, variables), [40176, 40176])
  return (doc) => project(doc, tree, 'assign', doc)
}

/** The paths that a projection or an assignment names, some of them by nested objects. */
function* flatten(spec: Doc, prefix: string, assigns: boolean): Generator<[string, unknown]> {
  for (const { name, value } of spec.fields) {
    const path = prefix + name
    if (name === '')
      throw locationRefusal(assigns && prefix ? 40353 : 40352, 'FieldPath must not be empty')
    if (assigns && prefix && name.includes('.'))
      throw locationRefusal(40183, `cannot use dotted field name '${name}' in a sub object`)
    if (!isDoc(value) || (value.size === 1 && value.firstName.startsWith('$'))) {
      if (!assigns && path.split('.').includes('$'))
        throw refusal('NotImplemented', `the positional projection '${path}' is not supported`)
      checkPath(path.split('.'))
      yield [path, value]
    } else if (value.size === 0) {
      if (assigns) throw refusal('NotImplemented', `an empty object at '${path}' is not supported`)
      throw locationRefusal(51270, 'An empty sub-projection is not a valid value')
    } else if (assigns && value.fields.some((field) => field.name.startsWith('$'))) {
      throw locationRefusal(40181, 'an expression specification must contain exactly one field')
    } else {
      yield* flatten(value, `${path}.`, assigns)
    }
  }
}

function leafOf(value: unknown, variables: Variables): Leaf {
  if (typeof value === 'boolean' || isNumeric(value)) return isTrue(value) ? 'include' : 'exclude'
  return compileExpression(value, variables)
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

const emptyTree = (): Tree => ({ nodes: new Map(), computes: false })

/** `codes` are for a path that is there already, and for one through such a path. */
function insert(tree: Tree, path: string, leaf: Leaf, codes: readonly [number, number]): void {
  const parts = path.split('.')
  const last = parts.pop()!
  let level = tree
  for (const part of parts) {
    level.computes ||= typeof leaf !== 'string'
    const next = level.nodes.get(part) ?? emptyTree()
    if (!isTree(next)) throw locationRefusal(codes[1], `Path collision at ${path}`)
    level.nodes.set(part, next)
    level = next
  }
  if (level.nodes.has(last)) throw locationRefusal(codes[0], `Path collision at ${path}`)
  level.computes ||= typeof leaf !== 'string'
  level.nodes.set(last, leaf)
}

const isTree = (node: Tree | Leaf): node is Tree => typeof node === 'object' && 'nodes' in node

function project(doc: Doc, tree: Tree, mode: Mode, root: Doc): Doc {
  const fields: Field[] = []
  const missing = new Map(tree.nodes)
  for (const field of doc.fields) {
    const node = tree.nodes.get(field.name)
    if (node === undefined ? mode !== 'include' : node === 'include') fields.push(field)
    if (node === undefined || typeof node === 'string') continue
    if (!isTree(node) && mode !== 'assign') continue
    missing.delete(field.name)
    const value = isTree(node) ? below(field.value, node, mode, root) : node.of(root)
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
function addComputed(fields: Field[], nodes: Tree['nodes'], root: Doc): void {
  for (const [name, node] of nodes) {
    if (typeof node === 'string') continue
    const value = isTree(node) ? computedIn(node, root) : node.of(root)
    if (value !== undefined) fields.push(Field.of(name, value))
  }
}

function computedIn(tree: Tree, root: Doc): Doc | undefined {
  if (!tree.computes) return undefined
  const fields: Field[] = []
  addComputed(fields, tree.nodes, root)
  return Doc.from(fields)
}
