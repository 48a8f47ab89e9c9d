// What the stages of an aggregation pipeline share: their shape, what they run in, and how a stage
// that contains pipelines ($facet, $lookup) compiles and runs those.
import type { Doc } from '../bson/codec.ts'
import type { DatabaseEngine } from '../engine.ts'
import type { Variables } from '../query/expression.ts'

/** What a pipeline runs in. */
export interface PipelineContext {
  readonly engine: DatabaseEngine
  readonly db: string
  readonly variables: Variables
}

/** Turns a stream of documents into another. */
export type StreamStage = (documents: Iterable<Doc>) => Iterable<Doc>

/** Pipelines within a stage. */
export interface NestedPipelines {
  /** Compiles stages that get their documents from the stage around them. */
  compile(stages: readonly Doc[], context: PipelineContext): readonly StreamStage[]
  /** Runs a pipeline over a collection of the context's database and returns all its documents. */
  collect(stages: readonly Doc[], context: PipelineContext, collection: string): Doc[]
}
