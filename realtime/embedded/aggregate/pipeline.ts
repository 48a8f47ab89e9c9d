// Aggregation pipelines as a chain of generators. Documents pass one by one; only a sort or a group
// holds all of them. The stages at the front that a find has too ($match, $sort, $skip, $limit)
// become one selection, so that indexes serve them.
import { decode, encode, isDoc, type Doc } from '../bson/codec.ts'
import type { DocumentSource } from '../cursors/cursors.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { parseFilter, type Filter } from '../query/filter.ts'
import { compileFilter } from '../query/match.ts'
import { select } from '../query/select.ts'
import { parseSort, sortByKey, sortKeyOf, type SortPattern } from '../query/sort.ts'
import { compileDocumentStage } from './document-stages.ts'
import type { NestedPipelines, PipelineContext, StreamStage } from './stage.ts'
import { compileStreamStage } from './stream-stages.ts'

/** A parsed pipeline: the selection that its front asks for, and the remaining stages. */
export interface Pipeline {
  readonly filter: Filter
  readonly sort: SortPattern | undefined
  readonly skip: number
  readonly limit: number
  readonly stages: readonly StreamStage[]
  readonly context: PipelineContext
  /** Documents that the pipeline contains itself (`$documents`). */
  readonly ownDocuments: readonly Doc[] | undefined
}

/** Parses a pipeline. Refuses an unknown stage even if there are no documents to process. */
export function parsePipeline(given: readonly Doc[], context: PipelineContext): Pipeline {
  const rest = [...given]
  const own = takeOwnDocuments(rest)
  const filters: Filter[] = []
  while (!own && rest[0] && '$match' in rest[0])
    filters.push(matchFilter(rest.shift()!.$match, context))
  let sort: SortPattern | undefined
  if (!own && rest[0] && '$sort' in rest[0]) sort = sortPattern(rest.shift()!.$sort)
  const skip = !own && rest[0] && '$skip' in rest[0] ? countOf('$skip', rest.shift()!.$skip) : 0
  const limit = !own && rest[0] && '$limit' in rest[0] ? countOf('$limit', rest.shift()!.$limit) : 0
  const filter: Filter = filters.length === 1 ? filters[0]! : { kind: 'and', filters }
  return {
    filter,
    sort,
    skip,
    limit,
    ownDocuments: own,
    context,
    stages: rest.map((stage, at) => compileStage(stage, context, at === rest.length - 1)),
  }
}

function takeOwnDocuments(stages: Doc[]): Doc[] | undefined {
  if (!stages[0] || !('$documents' in stages[0])) return undefined
  const { $documents: documents } = stages.shift()!
  if (!Array.isArray(documents) || !documents.every(isDoc))
    throw locationRefusal(5858203, 'an array is expected')
  return documents
}

function matchFilter(operand: unknown, { variables }: PipelineContext): Filter {
  if (!isDoc(operand))
    throw locationRefusal(15959, 'the match filter must be an expression in an object')
  return parseFilter(operand, variables)
}

function sortPattern(operand: unknown): SortPattern {
  const pattern = parseSort(operand)
  if (!pattern) throw locationRefusal(15976, '$sort stage must have at least one sort key')
  return pattern
}

/** The operand of `$skip` and `$limit`. */
function countOf(name: '$skip' | '$limit', operand: unknown): number {
  const count = Number(isDoc(operand) ? NaN : operand)
  const least = name === '$limit' ? 1 : 0
  if (Number.isInteger(count) && count >= least) return count
  if (name === '$limit' && count === 0) throw locationRefusal(15958, 'the limit must be positive')
  throw locationRefusal(
    5107201,
    `invalid argument to ${name} stage: Expected a ${least === 1 ? 'positive' : 'non-negative'} number in: ${name}: ${String(operand)}`,
  )
}

function compileStage(stage: Doc, context: PipelineContext, isLast: boolean): StreamStage {
  const [name] = Object.keys(stage) as [string]
  const operand = stage[name]
  switch (name) {
    case '$match': {
      const matches = compileFilter(matchFilter(operand, context))
      return (documents) => filtered(documents, matches)
    }
    case '$sort': {
      const pattern = sortPattern(operand)
      return (documents) => sortByKey([...documents], (doc) => sortKeyOf(doc, pattern))
    }
    case '$skip':
      return sliced(countOf(name, operand), Infinity)
    case '$limit':
      return sliced(0, countOf(name, operand))
  }
  const transform = compileDocumentStage(name, operand, context.variables)
  if (transform) return (documents) => mapped(documents, transform)
  const streaming = compileStreamStage(name, operand, context, { isLast, nested: nestedPipelines })
  if (streaming) return streaming
  throw locationRefusal(40324, `Unrecognized pipeline stage name: '${name}'`)
}

function* filtered(documents: Iterable<Doc>, matches: (doc: Doc) => boolean): Generator<Doc> {
  for (const doc of documents) if (matches(doc)) yield doc
}

function* mapped(documents: Iterable<Doc>, transform: (doc: Doc) => Doc): Generator<Doc> {
  for (const doc of documents) yield transform(doc)
}

function sliced(skip: number, limit: number): StreamStage {
  return function* (documents) {
    let at = 0
    if (limit === 0) return
    for (const doc of documents) {
      if (at++ < skip) continue
      yield doc
      if (at - skip >= limit) return
    }
  }
}

/** Runs a pipeline over a collection, or over its own documents if it contains any. */
export function runPipeline(
  pipeline: Pipeline,
  collection: string | undefined,
  hint?: unknown,
): DocumentSource {
  const { context, ownDocuments: own, stages } = pipeline
  if (!own && collection === undefined) {
    throw refusal(
      'InvalidNamespace',
      "{aggregate: 1} is not valid for an empty pipeline; only '$documents' and '$changeStream' can start it here",
    )
  }
  if (own && collection !== undefined)
    throw refusal(
      'InvalidNamespace',
      '$documents is only valid as the first stage of an {aggregate: 1} pipeline',
    )
  const found =
    collection === undefined ? undefined : context.engine.catalog.find(context.db, collection)
  const rows = found ? select(context.engine.store, found, { ...pipeline, hint }) : undefined
  if (stages.length === 0 && rows)
    return { next: () => rows.next()?.bytes, pause: () => rows.pause() }
  let documents: Iterable<Doc> = own ?? (rows ? decoded(rows) : [])
  for (const stage of stages) documents = stage(documents)
  const iterator = documents[Symbol.iterator]()
  return {
    pause: () => rows?.pause(),
    next() {
      const { value, done } = iterator.next()
      return done ? undefined : encode(value)
    },
  }
}

function* decoded(rows: ReturnType<typeof select>): Generator<Doc> {
  for (let row = rows.next(); row; row = rows.next()) yield decode(row.bytes)
}

const nestedPipelines: NestedPipelines = {
  compile: (stages, context) => parsePipeline([{ $documents: [] }, ...stages], context).stages,
  collect(stages, context, collection) {
    const source = runPipeline(parsePipeline(stages, context), collection)
    const documents: Doc[] = []
    for (let bytes = source.next(); bytes; bytes = source.next()) documents.push(decode(bytes))
    return documents
  },
}
