// Aggregation pipelines as a chain of generators. Documents pass one by one; only a sort or a group
// holds all of them. The stages at the front that a find has too ($match, $sort, $skip, $limit)
// become one selection, so that indexes serve them.
import { Doc } from '../bson/doc.ts'
import { encode } from '../bson/encode.ts'
import type { DocumentSource } from '../cursors/cursors.ts'
import type { Variables } from '../expression/expression.ts'
import { pause } from '../pace.ts'
import type { StoredData } from '../plan/scanner.ts'
import { parseFilter, type Filter } from '../query/filter.ts'
import { select, type SelectedRows, type Selection } from '../query/select.ts'
import type { Collection } from '../storage/catalog.ts'
import { compileStage, countOf, matchOf, sortOf, type Flow, type StreamStage } from './stages.ts'

/** A parsed pipeline: the selection that its front asks for, and the remaining stages. */
export interface Pipeline {
  readonly selection: Selection
  readonly stages: readonly StreamStage[]
}

/** Parses a pipeline. Refuses an unknown stage even if there are no documents to process. */
export function parsePipeline(
  given: readonly Doc[],
  variables: Variables,
  allowDiskUse: boolean,
): Pipeline {
  const rest = [...given]
  const take = (name: string): unknown =>
    rest[0]?.firstName === name ? rest.shift()!.get(name) : undefined
  const filters: Filter[] = []
  for (let match = take('$match'); match !== undefined; match = take('$match'))
    filters.push(parseFilter(matchOf(match), variables))
  const sort = take('$sort')
  const skip = take('$skip')
  const limit = take('$limit')
  return {
    selection: {
      filter: filters.length === 1 ? filters[0]! : { kind: 'and', filters },
      sort: sort === undefined ? undefined : sortOf(sort),
      skip: skip === undefined ? 0 : countOf('$skip', skip),
      limit: limit === undefined ? 0 : countOf('$limit', limit),
      allowDiskUse,
    },
    stages: rest.map((stage) => compileStage(stage, variables, allowDiskUse)),
  }
}

/** Runs a pipeline over a collection, which may not exist. */
export function runPipeline(
  { selection, stages }: Pipeline,
  data: StoredData,
  collection: Collection | undefined,
  hint: unknown,
): DocumentSource {
  const rows = collection && select(data, collection, { ...selection, hint })
  let documents: Flow = rows ? documentsOf(rows) : []
  for (const stage of stages) documents = stage(documents)
  const iterator = documents[Symbol.iterator]()
  return {
    pause: () => rows?.pause(),
    next() {
      const { value, done } = iterator.next()
      if (done) return undefined
      return value === pause ? pause : encode(value)
    },
  }
}

function* documentsOf(rows: SelectedRows): Generator<Doc | typeof pause> {
  for (let row = rows.next(); row; row = rows.next())
    yield row === pause ? pause : Doc.read(row.bytes)
}
