// Stages that turn one document into one document. Aggregations and pipeline updates both use them.
import { Doc } from '../bson/doc.ts'
import { isDoc, typeOf } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { compileExpression } from '../expression/compile.ts'
import type { Variables } from '../expression/expression.ts'
import {
  compileAssignments,
  compileProjection,
  type DocumentTransform,
} from '../query/projection.ts'

type StageCompiler = (operand: unknown, variables: Variables, name: string) => DocumentTransform

const assign: StageCompiler = (operand, variables, name) =>
  compileAssignments(fieldsOf(name, operand, 40272, 40177), variables)

const replaceWith: StageCompiler = (operand, variables) => {
  const expression = compileExpression(operand, variables)
  return (doc) => {
    const root = expression.of(doc)
    if (isDoc(root)) return root
    throw locationRefusal(40228, `'newRoot' must evaluate to an object, not to ${typeOf(root)}`)
  }
}

/** The stages by name. Updates may contain all of them. */
export const documentStages: Readonly<Record<string, StageCompiler>> = {
  $set: assign,
  $addFields: assign,
  $unset: (operand, variables) => compileProjection(unsetSpec(operand), variables),
  $project: (operand, variables) =>
    compileProjection(fieldsOf('$project', operand, 15969, 51272), variables),
  $replaceRoot(operand, variables, name) {
    if (!isDoc(operand)) throw locationRefusal(40229, `${name} needs an object`)
    if (operand.size === 1 && operand.has('newRoot'))
      return replaceWith(operand.get('newRoot'), variables, name)
    throw locationRefusal(40414, "BSON field '$replaceRoot.newRoot' is missing")
  },
  $replaceWith: replaceWith,
}

/** The operand of a stage, an object with fields. */
function fieldsOf(name: string, operand: unknown, notObject: number, empty: number): Doc {
  if (!isDoc(operand)) throw locationRefusal(notObject, `${name} specification must be an object`)
  if (operand.size > 0) return operand
  throw locationRefusal(empty, `${name} specification must have at least one field`)
}

function unsetSpec(operand: unknown): Doc {
  if (typeof operand !== 'string' && !Array.isArray(operand))
    throw locationRefusal(31002, '$unset specification must be a string or an array')
  const paths: unknown[] = Array.isArray(operand) ? operand : [operand]
  if (paths.length === 0) throw locationRefusal(31119, '$unset must have at least one field')
  if (!paths.every((path) => typeof path === 'string'))
    throw locationRefusal(31120, '$unset specification must contain only strings')
  return Doc.of(paths.map((path) => [path, false]))
}

/** Compiles such a stage; undefined if the stage is of another kind. */
export function compileDocumentStage(
  name: string,
  operand: unknown,
  variables: Variables,
): DocumentTransform | undefined {
  return Object.hasOwn(documentStages, name)
    ? documentStages[name]!(operand, variables, name)
    : undefined
}

/** Compiles the pipeline of an update, which may contain only such stages. */
export function compileStages(stages: readonly unknown[], variables: Variables): DocumentTransform {
  const transforms = stages.map((stage) => {
    if (!isDoc(stage) || stage.size !== 1)
      throw locationRefusal(40323, 'A pipeline stage must contain exactly one field.')
    const name = stage.firstName
    const transform = compileDocumentStage(name, stage.get(name), variables)
    if (transform) return transform
    throw refusal('InvalidOptions', `${name} is not allowed to be used within an update`)
  })
  return (doc) => transforms.reduce((current, transform) => transform(current), doc)
}
