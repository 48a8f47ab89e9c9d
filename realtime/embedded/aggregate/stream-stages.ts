// Stages that make several documents out of one or one out of several, and stages that look into
// other collections.
import { Int32 } from 'bson'
import { getField, isDoc, setField, type Doc } from '../bson/codec.ts'
import { compareValues } from '../bson/order.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { compileExpression, valueAtPath } from '../query/expression.ts'
import { compileGroup } from './group.ts'
import { compileOutput } from './output.ts'
import type { NestedPipelines, PipelineContext, StreamStage } from './stage.ts'

const unsupportedStages = new Set([
  '$bucket',
  '$bucketAuto',
  '$collStats',
  '$currentOp',
  '$densify',
  '$fill',
  '$geoNear',
  '$graphLookup',
  '$indexStats',
  '$listSessions',
  '$listLocalSessions',
  '$planCacheStats',
  '$redact',
  '$sample',
  '$search',
  '$setWindowFields',
  '$unionWith',
])

/** Where a stage stands in its pipeline, and how it compiles the pipelines that it contains. */
export interface StagePlacement {
  readonly isLast: boolean
  readonly nested: NestedPipelines
}

/** Compiles such a stage; undefined if no stage has that name. */
export function compileStreamStage(
  name: string,
  operand: unknown,
  context: PipelineContext,
  { isLast, nested }: StagePlacement,
): StreamStage | undefined {
  switch (name) {
    case '$group':
      return compileGroup(operand, context.variables)
    case '$sortByCount':
      return sortByCount(operand, context)
    case '$count':
      return counted(operand)
    case '$unwind':
      return unwind(operand)
    case '$facet':
      return facet(operand, context, nested)
    case '$lookup':
      return lookup(operand, context, nested)
    case '$out':
    case '$merge':
      if (!isLast)
        throw locationRefusal(40601, `${name} can only be the final stage in the pipeline`)
      return compileOutput(name, operand, context)
    case '$changeStream':
      throw locationRefusal(40602, '$changeStream is only valid as the first stage in a pipeline.')
    case '$documents':
      throw locationRefusal(40602, '$documents is only valid as the first stage in a pipeline.')
    default:
      if (unsupportedStages.has(name))
        throw refusal('NotImplemented', `the stage ${name} is not supported`)
      return undefined
  }
}

function sortByCount(operand: unknown, context: PipelineContext): StreamStage {
  const group = compileGroup({ _id: operand, count: { $sum: new Int32(1) } }, context.variables)
  return (documents) => [...group(documents)].sort((a, b) => compareValues(b.count, a.count))
}

function counted(operand: unknown): StreamStage {
  if (
    typeof operand !== 'string' ||
    operand === '' ||
    operand.startsWith('$') ||
    operand.includes('.')
  ) {
    throw locationRefusal(40156, 'the count field must be a non-empty string without $ or .')
  }
  return function* (documents) {
    let count = 0
    const iterator = documents[Symbol.iterator]()
    while (!iterator.next().done) count++
    if (count > 0) yield { [operand]: new Int32(count) }
  }
}

function unwind(operand: unknown): StreamStage {
  const spec: Doc = isDoc(operand) ? operand : { path: operand }
  const { path, includeArrayIndex: indexField, preserveNullAndEmptyArrays: preserve } = spec
  if (typeof path !== 'string' || !path.startsWith('$') || path.length < 2) {
    throw locationRefusal(
      28818,
      `path option to $unwind stage should be prefixed with a '$': ${String(path)}`,
    )
  }
  const unexpected = Object.keys(spec).find(
    (name) => !['path', 'includeArrayIndex', 'preserveNullAndEmptyArrays'].includes(name),
  )
  if (unexpected)
    throw locationRefusal(28811, `unrecognized option to $unwind stage: ${unexpected}`)
  const parts = path.slice(1).split('.')
  return function* (documents) {
    for (const doc of documents) {
      const value = valueAt(doc, parts)
      const numbered = (result: Doc, index: number | null): Doc =>
        typeof indexField === 'string'
          ? { ...result, [indexField]: index === null ? null : new Int32(index) }
          : result
      if (Array.isArray(value) && value.length > 0) {
        for (const [index, element] of value.entries())
          yield numbered(withValue(doc, parts, element), index)
      } else if (value !== undefined && value !== null && !Array.isArray(value)) {
        yield numbered(doc, null)
      } else if (preserve === true) {
        yield numbered(Array.isArray(value) ? withValue(doc, parts, undefined) : doc, null)
      }
    }
  }
}

function valueAt(doc: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, name) => (isDoc(value) ? getField(value, name) : undefined),
    doc,
  )
}

function withValue(doc: Doc, path: readonly string[], value: unknown): Doc {
  const [name, ...rest] = path as [string, ...string[]]
  const result = { ...doc }
  const inner = getField(doc, name)
  const next = rest.length === 0 ? value : withValue(isDoc(inner) ? inner : {}, rest, value)
  if (next === undefined) delete result[name]
  else setField(result, name, next)
  return result
}

function facet(operand: unknown, context: PipelineContext, nested: NestedPipelines): StreamStage {
  if (!isDoc(operand) || Object.keys(operand).length === 0)
    throw locationRefusal(40169, 'the $facet specification must be a non-empty object')
  const facets = Object.entries(operand).map(([name, stages]) => {
    if (!Array.isArray(stages))
      throw locationRefusal(40170, `arguments to $facet must be arrays, ${name} is type object`)
    return [name, nested.compile(stages as Doc[], context)] as const
  })
  return function* (documents) {
    const all = [...documents]
    const result: Doc = {}
    for (const [name, stages] of facets)
      setField(result, name, [...stages.reduce<Iterable<Doc>>((flow, stage) => stage(flow), all)])
    yield result
  }
}

function lookup(operand: unknown, context: PipelineContext, nested: NestedPipelines): StreamStage {
  if (!isDoc(operand)) throw refusal('FailedToParse', 'the $lookup specification must be an Object')
  const { from, localField, foreignField, as, pipeline = [], let: bindings = {} } = operand
  if (typeof from !== 'string' || typeof as !== 'string')
    throw refusal('FailedToParse', "$lookup needs 'from' and 'as' as strings")
  if (!Array.isArray(pipeline) || !isDoc(bindings))
    throw refusal('FailedToParse', "$lookup: 'pipeline' must be an array, 'let' an object")
  const joins = typeof localField === 'string' && typeof foreignField === 'string'
  if (!joins && operand.pipeline === undefined)
    throw refusal(
      'FailedToParse',
      "$lookup requires either 'pipeline' or both 'localField' and 'foreignField' to be specified",
    )
  const evaluations = Object.entries(bindings).map(
    ([name, value]) => [name, compileExpression(value, context.variables)] as const,
  )
  return function* (documents) {
    for (const doc of documents) {
      const bound = Object.fromEntries(evaluations.map(([name, evaluate]) => [name, evaluate(doc)]))
      const matches = joins
        ? [{ $match: equalTo(valueAtPath(doc, localField.split('.')), foreignField) }]
        : []
      const inner = { ...context, variables: { ...context.variables, ...bound } }
      const joined = nested.collect([...matches, ...(pipeline as Doc[])], inner, from)
      yield withValue(doc, as.split('.'), joined)
    }
  }
}

function equalTo(value: unknown, field: string): Doc {
  return Array.isArray(value) ? { [field]: { $in: value } } : { [field]: { $eq: value ?? null } }
}
