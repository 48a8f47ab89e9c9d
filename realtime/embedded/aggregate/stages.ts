// The stages of aggregations. Some of them turn one document into one document: those are also used
// by updates with pipelines and after `$changeStream`.
import { Int32 } from 'bson'
import { Doc } from '../bson/doc.ts'
import { encode } from '../bson/encode.ts'
import { Sum, toNumber } from '../bson/numbers.ts'
import { compareValues, keyOf } from '../bson/order.ts'
import { isDoc } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { compileExpression, isNullish, type Variables } from '../expression/expression.ts'
import { collected, mapped, sliced, type Flow } from '../pace.ts'
import { parseFilter } from '../query/filter.ts'
import {
  compileAssignments,
  compileProjection,
  type DocumentTransform,
} from '../query/projection.ts'
import { parseSort, sorted, sortKeyOf } from '../query/sort.ts'
import type { KeyPattern } from '../storage/index-keys.ts'

export type StreamStage = (documents: Flow<Doc>) => Flow<Doc>

/** What a stage makes of one document; undefined if it leaves the document out. */
type Step = (doc: Doc) => Doc | undefined

type StageCompiler = (operand: unknown, variables: Variables) => DocumentTransform

const assign: StageCompiler = (operand, variables) =>
  compileAssignments(fieldsOf('$set', operand, 40272, 40177), variables)

const documentStages: Record<string, StageCompiler> = {
  $set: assign,
  $addFields: assign,
  $unset: (operand, variables) => compileProjection(unsetSpec(operand), variables),
  $project: (operand, variables) =>
    compileProjection(fieldsOf('$project', operand, 15969, 51272), variables),
}

const otherStages = ['$match', '$sort', '$skip', '$limit', '$group', '$count', '$changeStream']

export const stageNames = [...Object.keys(documentStages), ...otherStages]

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
  const { matches } = parseFilter(matchOf(operand), variables)
  return (doc) => (matches(doc) ? doc : undefined)
}

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

export function compileUpdateStages(stages: unknown[], variables: Variables): DocumentTransform {
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

export function compileStage(stage: Doc, variables: Variables, allowDiskUse: boolean): StreamStage {
  const step = compileStep(stage, variables)
  if (step) return (documents) => mapped(documents, step)
  const name = stage.firstName
  const operand = stage.get(name)
  switch (name) {
    case '$sort':
      return sortStage(sortOf(operand), allowDiskUse)
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

export function matchOf(operand: unknown): Doc {
  if (isDoc(operand)) return operand
  throw locationRefusal(15959, 'the match filter must be an expression in an object')
}

export function sortOf(operand: unknown): KeyPattern {
  if (!isDoc(operand)) throw locationRefusal(15973, 'the $sort key specification must be an object')
  const pattern = parseSort(operand)
  if (!pattern) throw locationRefusal(15976, '$sort stage must have at least one sort key')
  return pattern
}

export function countOf(name: '$skip' | '$limit', operand: unknown): number {
  const count = toNumber(operand)
  const [code, least] = name === '$limit' ? [5107201, 1] : [5107200, 0]
  if (name === '$limit' && count === 0) throw locationRefusal(15958, 'the limit must be positive')
  if (count !== undefined && Number.isInteger(count) && count >= least) return count
  throw locationRefusal(code, `invalid argument to ${name} stage: ${String(operand)}`)
}

function sortStage(pattern: KeyPattern, allowDiskUse: boolean): StreamStage {
  return (documents) => {
    let number = 0
    const entries = mapped(documents, (doc) => {
      const key = sortKeyOf(doc, pattern)
      return { entry: { key, number: number++, doc }, size: key.length + encode(doc).length }
    })
    return mapped(sorted(entries, Infinity, allowDiskUse), ({ doc }) => doc)
  }
}

/** `$count` is a group of all documents without its `_id`, as in MongoDB. */
function counted(name: unknown, variables: Variables): StreamStage {
  if (typeof name !== 'string' || name === '')
    throw locationRefusal(name === '' ? 40157 : 40156, 'the count field must be a non-empty string')
  if (name.startsWith('$')) throw locationRefusal(40158, 'the count field can’t begin with $')
  if (name.includes('.')) throw locationRefusal(40160, "the count field cannot contain '.'")
  const one = Doc.of([['$sum', new Int32(1)]])
  const group = compileGroup(Doc.literal({ _id: null, [name]: one }), variables)
  return (documents) => mapped(group(documents), (doc) => doc.without('_id'))
}

interface Accumulator {
  add(value: unknown): void
  total: unknown
}

const MAX_MEMORY_BYTES = 100 * 1024 * 1024
/** What a group, and each of its accumulators, takes in memory without its key. */
const GROUP_BYTES = 256
const ACCUMULATOR_BYTES = 64

function extreme(sign: 1 | -1): Accumulator {
  return {
    total: null,
    add(value) {
      if (isNullish(value)) return
      const isBeyond = this.total === null || sign * compareValues(value, this.total) < 0
      if (isBeyond) this.total = value
    },
  }
}

export const accumulators: Readonly<Record<string, () => Accumulator>> = {
  $sum: () => new Sum(),
  $min: () => extreme(1),
  $max: () => extreme(-1),
}

function compileGroup(operand: unknown, variables: Variables): (documents: Flow<Doc>) => Flow<Doc> {
  if (!isDoc(operand)) throw locationRefusal(15947, '$group needs an object')
  if (!operand.has('_id')) throw locationRefusal(15955, 'a group specification must include an _id')
  const identify = compileExpression(operand.get('_id'), variables)
  const fields = operand.without('_id').fields.map(({ name, value: spec }) => {
    if (name.includes('.')) throw locationRefusal(40235, `The field name '${name}' contains '.'`)
    if (name.startsWith('$')) throw locationRefusal(40236, `The field name '${name}' has a $`)
    if (!isDoc(spec) || !spec.firstName.startsWith('$'))
      throw locationRefusal(40234, `The field '${name}' must be an accumulator object`)
    if (spec.size > 1) throw locationRefusal(40238, `'${name}' must specify one accumulator`)
    const operator = spec.firstName
    const make = Object.hasOwn(accumulators, operator) ? accumulators[operator] : undefined
    if (!make) throw locationRefusal(15952, `unknown group operator '${operator}'`)
    const given = spec.get(operator)
    if (Array.isArray(given)) throw locationRefusal(40237, `${operator} is a unary operator`)
    return { name, make, operand: compileExpression(given, variables) }
  })
  return (documents) => {
    const groups = new Map<string, { id: unknown; values: Accumulator[] }>()
    let bytes = 0
    const add = (doc: Doc): void => {
      const id = identify.of(doc) ?? null
      const key = keyOf(id).toString('latin1')
      let group = groups.get(key)
      if (!group) {
        groups.set(key, (group = { id, values: fields.map(({ make }) => make()) }))
        bytes += GROUP_BYTES + ACCUMULATOR_BYTES * fields.length + key.length
        if (bytes > MAX_MEMORY_BYTES)
          throw refusal('QueryExceededMemoryLimitNoDiskUseAllowed', '$group needs too much memory')
      }
      for (const [at, { operand: value }] of fields.entries()) group.values[at]!.add(value.of(doc))
    }
    return collected(documents, add, () =>
      groups.values().map(({ id, values }) => {
        const totals = fields.map(({ name }, at) => [name, values[at]!.total] as const)
        return Doc.of([['_id', id], ...totals])
      }),
    )
  }
}
