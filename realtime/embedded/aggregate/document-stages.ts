// Stages that turn one document into one document: they serve aggregations and pipeline updates alike.
import { getField, isDoc, setField, type Doc } from '../bson/codec.ts'
import { ServerError, refusal } from '../errors.ts'
import { compileExpression, type Expression, type Variables } from '../query/expression.ts'
import { compileProjection } from '../query/projection.ts'

/** Turns one document into another. */
export type Transform = (doc: Doc) => Doc

type Assignments = Map<string, Assignments | Expression>

/** Compiles one such stage; undefined when the stage is of another kind. */
export function compileDocumentStage(
  name: string,
  operand: unknown,
  variables: Variables,
): Transform | undefined {
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

/** Compiles a pipeline of nothing but such stages. */
export function compileStages(stages: readonly unknown[], variables: Variables): Transform {
  const transforms = stages.map((stage) => {
    const [name, ...more] = isDoc(stage) ? Object.keys(stage) : []
    if (name === undefined || more.length > 0) {
      throw refusal(
        'Location40323',
        'A pipeline stage specification object must contain exactly one field.',
      )
    }
    const transform = compileDocumentStage(name, (stage as Doc)[name], variables)
    if (!transform) throw refusal('Location40324', `Unrecognized pipeline stage name: '${name}'`)
    return transform
  })
  return (doc) => transforms.reduce((current, transform) => transform(current), doc)
}

function project(operand: unknown, variables: Variables): Transform {
  if (!isDoc(operand))
    throw new ServerError('Location15969', 15969, '$project specification must be an object')
  if (Object.keys(operand).length === 0)
    throw new ServerError(
      'Location51272',
      51272,
      'Invalid $project :: caused by :: projection specification must have at least one field',
    )
  return compileProjection(operand, variables, true).project
}

function unsetSpec(operand: unknown): Doc {
  const paths: unknown[] = Array.isArray(operand) ? operand : [operand]
  if (paths.length === 0 || paths.some((path) => typeof path !== 'string')) {
    throw new ServerError(
      'Location31002',
      31002,
      '$unset specification must be a string or an array',
    )
  }
  return Object.fromEntries(paths.map((path) => [path as string, false]))
}

function replaceRoot(evaluate: Expression): Transform {
  return (doc) => {
    const root = evaluate(doc)
    if (isDoc(root)) return root
    throw new ServerError(
      'Location40228',
      40228,
      "'newRoot' expression must evaluate to an object, but resulting value was not one",
    )
  }
}

function addFields(name: string, operand: unknown, variables: Variables): Transform {
  if (!isDoc(operand))
    throw new ServerError('Location40272', 40272, `${name} specification stage must be an object`)
  const tree: Assignments = new Map()
  plantAll(tree, operand, '', variables)
  return (doc) => assignAll(doc, tree, doc)
}

function plantAll(tree: Assignments, spec: Doc, prefix: string, variables: Variables): void {
  for (const [path, value] of Object.entries(spec)) {
    const nested =
      isDoc(value) &&
      value._bsontype === undefined &&
      Object.keys(value).length > 0 &&
      !Object.keys(value)[0]!.startsWith('$')
    if (nested) plantAll(tree, value, `${prefix}${path}.`, variables)
    else plant(tree, `${prefix}${path}`.split('.'), compileExpression(value, variables))
  }
}

function plant(tree: Assignments, path: readonly string[], evaluate: Expression): void {
  const [name, ...rest] = path as [string, ...string[]]
  if (name === '' || name.startsWith('$'))
    throw refusal(
      'Location16979',
      `FieldPath field names may not start with '$' or be empty: '${name}'`,
    )
  const present = tree.get(name)
  if (present && (rest.length === 0 || !(present instanceof Map)))
    throw refusal('Location31249', `Path collision at ${name}`)
  if (rest.length === 0) {
    tree.set(name, evaluate)
    return
  }
  const inner: Assignments = (present as Assignments | undefined) ?? new Map()
  tree.set(name, inner)
  plant(inner, rest, evaluate)
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
