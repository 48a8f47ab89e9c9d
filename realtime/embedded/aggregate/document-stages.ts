// Stages that turn one document into one document. Aggregations and pipeline updates both use them.
import { Doc, Field } from '../bson/doc.ts'
import { isDoc, typeOf } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { compileExpression } from '../expression/compile.ts'
import type { Expression, Variables } from '../expression/expression.ts'
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
      return compileProjection(unsetSpec(operand), variables).project
    case '$project':
      return project(operand, variables)
    case '$replaceRoot':
      if (!isDoc(operand))
        throw locationRefusal(
          40229,
          `expected an object as specification for $replaceRoot stage, got ${typeOf(operand)}`,
        )
      if (operand.size !== 1 || !operand.has('newRoot'))
        throw locationRefusal(
          40414,
          "BSON field '$replaceRoot.newRoot' is missing but a required field",
        )
      return replaceRoot(compileExpression(operand.get('newRoot'), variables))
    case '$replaceWith':
      return replaceRoot(compileExpression(operand, variables))
    default:
      return undefined
  }
}

/** Compiles a pipeline that may contain only such stages. */
export function compileStages(stages: readonly unknown[], variables: Variables): DocumentTransform {
  const transforms = stages.map((stage) => {
    if (!isDoc(stage) || stage.size !== 1) {
      throw locationRefusal(
        40323,
        'A pipeline stage specification object must contain exactly one field.',
      )
    }
    const name = stage.firstName
    const transform = compileDocumentStage(name, stage.get(name), variables)
    if (!transform) throw locationRefusal(40324, `Unrecognized pipeline stage name: '${name}'`)
    return transform
  })
  return (doc) => transforms.reduce((current, transform) => transform(current), doc)
}

function project(operand: unknown, variables: Variables): DocumentTransform {
  if (!isDoc(operand)) throw locationRefusal(15969, '$project specification must be an object')
  if (operand.size === 0)
    throw locationRefusal(
      51272,
      'Invalid $project :: caused by :: projection specification must have at least one field',
    )
  return compileProjection(operand, variables).project
}

function unsetSpec(operand: unknown): Doc {
  if (typeof operand !== 'string' && !Array.isArray(operand))
    throw locationRefusal(31002, '$unset specification must be a string or an array')
  const paths: unknown[] = Array.isArray(operand) ? operand : [operand]
  if (paths.length === 0)
    throw locationRefusal(31119, '$unset specification must have at least one field')
  if (paths.some((path) => typeof path !== 'string'))
    throw locationRefusal(31120, '$unset specification must contain only strings')
  return Doc.of(paths.map((path) => [path as string, false] as const))
}

function replaceRoot(expression: Expression): DocumentTransform {
  return (doc) => {
    const root = expression.of(doc)
    if (isDoc(root)) return root
    throw locationRefusal(
      40228,
      "'newRoot' expression must evaluate to an object, but resulting value was not one",
    )
  }
}

function addFields(name: string, operand: unknown, variables: Variables): DocumentTransform {
  if (!isDoc(operand)) throw locationRefusal(40272, `${name} specification stage must be an object`)
  if (operand.size === 0)
    throw locationRefusal(
      40177,
      `Invalid ${name} :: caused by :: specification must have at least one field`,
    )
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
  for (const { name, value } of spec.fields) {
    const path = `${prefix}${name}`
    if (prefix !== '' && name.includes('.'))
      throw locationRefusal(40183, `cannot use dotted field name '${name}' in a sub object`)
    if (isDoc(value)) checkNested(value, path)
    const isNested = isDoc(value) && !value.firstName.startsWith('$')
    if (isNested) insertAssignments(tree, value, `${path}.`, variables)
    else insertAssignment(tree, path.split('.'), path, compileExpression(value, variables))
  }
}

function checkNested(value: Doc, path: string): void {
  if (value.size === 0)
    throw refusal('NotImplemented', `the empty object at '${path}' is not supported`)
  if (value.size > 1 && value.fields.some(({ name }) => name.startsWith('$')))
    throw locationRefusal(40181, 'an expression specification must contain exactly one field')
}

function insertAssignment(
  tree: Assignments,
  parts: readonly string[],
  path: string,
  expression: Expression,
): void {
  const [name, ...rest] = parts as [string, ...string[]]
  if (name === '') throw locationRefusal(40352, 'FieldPath cannot be constructed with empty string')
  if (name.startsWith('$'))
    throw locationRefusal(16410, `FieldPath field names may not start with '$'.`)
  const present = tree.get(name)
  if (present && (rest.length === 0 || !(present instanceof Map)))
    throw locationRefusal(
      40176,
      `specification contains two conflicting paths. Cannot specify both '${path}' and another path of it`,
    )
  if (rest.length === 0) {
    tree.set(name, expression)
    return
  }
  const inner: Assignments = (present as Assignments | undefined) ?? new Map()
  tree.set(name, inner)
  insertAssignment(inner, rest, path, expression)
}

function assignAll(doc: Doc, tree: Assignments, root: Doc): Doc {
  const fields: Field[] = []
  const added = new Map(tree)
  for (const field of doc.fields) {
    const node = added.get(field.name)
    added.delete(field.name)
    const value = node && assigned(node, field.value, root)
    if (!node) fields.push(field)
    else if (value !== undefined) fields.push(Field.of(field.name, value))
  }
  for (const [name, node] of added) {
    const value = assigned(node, undefined, root)
    if (value !== undefined) fields.push(Field.of(name, value))
  }
  return Doc.from(fields)
}

function assigned(node: Assignments | Expression, before: unknown, root: Doc): unknown {
  return node instanceof Map ? assignBelow(before, node, root) : node.of(root)
}

function assignBelow(value: unknown, tree: Assignments, root: Doc): unknown {
  if (Array.isArray(value)) return value.map((element: unknown) => assignBelow(element, tree, root))
  return assignAll(isDoc(value) ? value : Doc.empty, tree, root)
}
