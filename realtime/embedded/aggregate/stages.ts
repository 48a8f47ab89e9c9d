// The stages of aggregations. Some of them turn one document into one document: those are also used
// by updates with pipelines and after `$changeStream`.
import { Int32 } from 'bson'
import { Doc } from '../bson/doc.ts'
import { encode } from '../bson/encode.ts'
import { toNumber } from '../bson/numbers.ts'
import { isDoc } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import type { Variables } from '../expression/expression.ts'
import { compileFilter, parseFilter } from '../query/filter.ts'
import { collected, mapped, sliced, type Flow } from '../query/flow.ts'
import {
  compileAssignments,
  compileProjection,
  type DocumentTransform,
} from '../query/projection.ts'
import { parseSort, sortKeyOf, type SortPattern } from '../query/sort.ts'
import { Sorter, type SortEntry } from '../query/sorter.ts'
import { compileGroup } from './group.ts'

/** Turns a flow of documents into another. */
export type StreamStage = (documents: Flow<Doc>) => Flow<Doc>

/** What a stage makes of one document; undefined if it leaves the document out. */
type Step = (doc: Doc) => Doc | undefined

const assign = (operand: unknown, variables: Variables): DocumentTransform =>
  compileAssignments(fieldsOf('$set', operand, 40272, 40177), variables)

const documentStages: Record<
  string,
  (operand: unknown, variables: Variables) => DocumentTransform
> = {
  $set: assign,
  $addFields: assign,
  $unset: (operand, variables) => compileProjection(unsetSpec(operand), variables),
  $project: (operand, variables) =>
    compileProjection(fieldsOf('$project', operand, 15969, 51272), variables),
}

const otherStages = ['$match', '$sort', '$skip', '$limit', '$group', '$count', '$changeStream']

/** The stages that the engine claims. */
export const stageNames = [...Object.keys(documentStages), ...otherStages]

/** The operand of a stage, an object with fields. */
function fieldsOf(name: string, operand: unknown, notObject: number, empty: number): Doc {
  if (isDoc(operand) && operand.size > 0) return operand
  throw locationRefusal(isDoc(operand) ? empty : notObject, `${name} needs an object with fields`)
}

function unsetSpec(operand: unknown): Doc {
  const paths: unknown[] = Array.isArray(operand) ? operand : [operand]
  if (paths.length === 0) throw locationRefusal(31119, '$unset must have at least one field')
  if (!paths.every((path) => typeof path === 'string'))
    throw locationRefusal(Array.isArray(operand) ? 31120 : 31002, '$unset needs strings')
  return Doc.of(paths.map((path) => [path, false]))
}

/** Compiles a stage that works document by document; undefined if it is of another kind. */
function compileStep(stage: Doc, variables: Variables): Step | undefined {
  const name = stage.firstName
  const operand = stage.get(name)
  if (Object.hasOwn(documentStages, name)) return documentStages[name]!(operand, variables)
  if (name !== '$match') return undefined
  const matches = compileFilter(parseFilter(matchOf(operand), variables))
  return (doc) => (matches(doc) ? doc : undefined)
}

/** Compiles the stages after `$changeStream`, which all work document by document. */
export function compileSteps(stages: readonly Doc[], variables: Variables): Step {
  const steps = stages.map((stage) => {
    const step = compileStep(stage, variables)
    if (step) return step
    const name = stage.firstName
    if (!stageNames.includes(name)) throw unknownStage(name)
    throw refusal('IllegalOperation', `${name} is not permitted in a $changeStream pipeline`)
  })
  return (given) => steps.reduce<Doc | undefined>((doc, step) => doc && step(doc), given)
}

/** Compiles the pipeline of an update. */
export function compileUpdateStages(
  stages: readonly unknown[],
  variables: Variables,
): DocumentTransform {
  const transforms = stages.map((stage) => {
    if (!isDoc(stage) || stage.size !== 1)
      throw locationRefusal(40323, 'A pipeline stage must contain exactly one field.')
    const name = stage.firstName
    if (Object.hasOwn(documentStages, name))
      return documentStages[name]!(stage.get(name), variables)
    throw refusal('InvalidOptions', `${name} is not supported within an update`)
  })
  return (doc) => transforms.reduce((current, transform) => transform(current), doc)
}

/** Compiles a stage of an aggregation. */
export function compileStage(stage: Doc, variables: Variables, allowDiskUse: boolean): StreamStage {
  const step = compileStep(stage, variables)
  if (step) return (documents) => mapped(documents, step)
  const name = stage.firstName
  const operand = stage.get(name)
  switch (name) {
    case '$sort':
      return sorted(sortOf(operand), allowDiskUse)
    case '$skip':
      return slice(countOf(name, operand), Infinity)
    case '$limit':
      return slice(0, countOf(name, operand))
    case '$group':
      return compileGroup(operand, variables)
    case '$count':
      return counted(operand, variables)
    case '$changeStream':
      throw locationRefusal(40602, '$changeStream is only valid as the first stage in a pipeline.')
    default:
      throw unknownStage(name)
  }
}

const slice =
  (skip: number, limit: number): StreamStage =>
  (documents) =>
    sliced(documents, skip, limit)

function unknownStage(name: string): Error {
  return locationRefusal(40324, `Unrecognized or unsupported pipeline stage name: '${name}'`)
}

/** The operand of `$match`. */
export function matchOf(operand: unknown): Doc {
  if (isDoc(operand)) return operand
  throw locationRefusal(15959, 'the match filter must be an expression in an object')
}

/** The operand of `$sort`. */
export function sortOf(operand: unknown): SortPattern {
  if (!isDoc(operand)) throw locationRefusal(15973, 'the $sort key specification must be an object')
  const pattern = parseSort(operand)
  if (!pattern) throw locationRefusal(15976, '$sort stage must have at least one sort key')
  return pattern
}

/** The operand of `$skip` and `$limit`. */
export function countOf(name: '$skip' | '$limit', operand: unknown): number {
  const count = toNumber(operand)
  const [code, least] = name === '$limit' ? [5107201, 1] : [5107200, 0]
  if (name === '$limit' && count === 0) throw locationRefusal(15958, 'the limit must be positive')
  if (count !== undefined && Number.isInteger(count) && count >= least) return count
  throw locationRefusal(code, `invalid argument to ${name} stage: ${String(operand)}`)
}

function sorted(pattern: SortPattern, allowDiskUse: boolean): StreamStage {
  return (documents) => {
    const sorter = new Sorter<SortEntry & { doc: Doc }>(Infinity, allowDiskUse)
    let number = 0
    const add = (doc: Doc): void => {
      const key = sortKeyOf(doc, pattern)
      sorter.add({ key, number: number++, doc }, key.length + encode(doc).length)
    }
    return collected(documents, add, () => sorter.sorted().map(({ doc }) => doc))
  }
}

/** `$count` is a group of all documents without its `_id`, as in MongoDB. */
function counted(name: unknown, variables: Variables): StreamStage {
  if (typeof name !== 'string' || name === '')
    throw locationRefusal(name === '' ? 40157 : 40156, 'the count field must be a non-empty string')
  if (name.startsWith('$')) throw locationRefusal(40158, 'the count field can’t begin with $')
  if (name.includes('.')) throw locationRefusal(40160, "the count field cannot contain '.'")
  const one = Doc.of([['$sum', new Int32(1)]])
  const group = compileGroup(Doc.of(Object.entries({ _id: null, [name]: one })), variables)
  return (documents) => mapped(group(documents), (doc) => doc.without('_id'))
}
