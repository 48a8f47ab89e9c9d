// Stages that turn one document into one document. Aggregations and pipeline updates both use them.
import { getField, isDoc, setField, type Doc } from '../bson/codec.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { compileExpression, type Expression, type Variables } from '../query/expression.ts'
import { compileProjection } from '../query/projection.ts'

/** Turns one document into another. */
export type DocumentTransform = (doc: Doc) => Doc

type Assignments = Map<string, Assignments | Expression>

/** Compiles such a stage; undefined if the stage is of another kind. */
export function compileDocumentStage(
  name: string,
  operand: unknown,
  variables: Variables,
): DocumentTransform | undefined {
  switch (name) {
    case '$set':
    case '$addFields':
      return addFields(name, operand, variables)
    case '$unset':
      return compileProjection(unsetSpec(operand), variables, true).project
    case '$project':
      return project(operand, variables)
    case '$replaceRoot':
      if (!isDoc(operand) || !('newRoot' in operand))
        throw refusal('BadValue', "'newRoot' must be specified in $replaceRoot")
      return replaceRoot(compileExpression(operand.newRoot, variables))
    case '$replaceWith':
      return replaceRoot(compileExpression(operand, variables))
    default:
      return undefined
  }
}

/** Compiles a pipeline that may contain only such stages. */
export function compileStages(stages: readonly unknown[], variables: Variables): DocumentTransform {
  const transforms = stages.map((stage) => {
    const [name, ...more] = isDoc(stage) ? Object.keys(stage) : []
    if (name === undefined || more.length > 0) {
      throw locationRefusal(
        40323,
        'A pipeline stage specification object must contain exactly one field.',
      )
    }
    const transform = compileDocumentStage(name, (stage as Doc)[name], variables)
    if (!transform) throw locationRefusal(40324, `Unrecognized pipeline stage name: '${name}'`)
    return transform
  })
  return (doc) => transforms.reduce((current, transform) => transform(current), doc)
}

function project(operand: unknown, variables: Variables): DocumentTransform {
  if (!isDoc(operand)) throw locationRefusal(15969, '$project specification must be an object')
  if (Object.keys(operand).length === 0)
    throw locationRefusal(
      51272,
      'Invalid $project :: caused by :: projection specification must have at least one field',
    )
  return compileProjection(operand, variables, true).project
}

function unsetSpec(operand: unknown): Doc {
  const paths: unknown[] = Array.isArray(operand) ? operand : [operand]
  if (paths.length === 0 || paths.some((path) => typeof path !== 'string')) {
    throw locationRefusal(31002, '$unset specification must be a string or an array')
  }
  return Object.fromEntries(paths.map((path) => [path as string, false]))
}

function replaceRoot(evaluate: Expression): DocumentTransform {
  return (doc) => {
    const root = evaluate(doc)
    if (isDoc(root)) return root
    throw locationRefusal(
      40228,
      "'newRoot' expression must evaluate to an object, but resulting value was not one",
    )
  }
}

function addFields(name: string, operand: unknown, variables: Variables): DocumentTransform {
  if (!isDoc(operand)) throw locationRefusal(40272, `${name} specification stage must be an object`)
  const tree: Assignments = new Map()
  insertAssignments(tree, operand, '', variables)
  return (doc) => assignAll(doc, tree, doc)
}

function insertAssignments(
  tree: Assignments,
  spec: Doc,
  prefix: string,
  variables: Variables,
): void {
  for (const [path, value] of Object.entries(spec)) {
    const nested =
      isDoc(value) &&
      value._bsontype === undefined &&
      Object.keys(value).length > 0 &&
      !Object.keys(value)[0]!.startsWith('$')
    if (nested) insertAssignments(tree, value, `${prefix}${path}.`, variables)
    else insertAssignment(tree, `${prefix}${path}`.split('.'), compileExpression(value, variables))
  }
}

function insertAssignment(tree: Assignments, path: readonly string[], evaluate: Expression): void {
  const [name, ...rest] = path as [string, ...string[]]
  if (name === '' || name.startsWith('$'))
    throw locationRefusal(
      16979,
      `FieldPath field names may not start with '$' or be empty: '${name}'`,
    )
  const present = tree.get(name)
  if (present && (rest.length === 0 || !(present instanceof Map)))
    throw locationRefusal(31249, `Path collision at ${name}`)
  if (rest.length === 0) {
    tree.set(name, evaluate)
    return
  }
  const inner: Assignments = (present as Assignments | undefined) ?? new Map()
  tree.set(name, inner)
  insertAssignment(inner, rest, evaluate)
}

function assignAll(value: Doc, tree: Assignments, root: Doc): Doc {
  const result: Doc = { ...value }
  for (const [name, node] of tree) {
    const made = node instanceof Map ? assignBelow(getField(value, name), node, root) : node(root)
    if (made === undefined) delete result[name]
    else setField(result, name, made)
  }
  return result
}

function assignBelow(value: unknown, tree: Assignments, root: Doc): unknown {
  if (Array.isArray(value)) return value.map((element: unknown) => assignBelow(element, tree, root))
  return assignAll(isDoc(value) ? value : {}, tree, root)
}
