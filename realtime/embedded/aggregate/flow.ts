// How documents pass from stage to stage.
import type { Doc } from '../bson/doc.ts'
import { pace, pause } from '../pace.ts'

/** The documents between two stages. A `pause` among them is passed on. */
export type Flow = Iterable<Doc | typeof pause>

/** Turns a stream of documents into another. */
export type StreamStage = (documents: Flow) => Flow

/** What becomes of each document, and what comes after the last one. */
interface StageRun {
  readonly each: (doc: Doc) => Iterable<Doc>
  readonly end?: () => Iterable<Doc>
}

/** A stage that begins each run with `start`. */
export function stageOf(start: () => StageRun): StreamStage {
  return function* (documents) {
    const { each, end } = start()
    for (const doc of documents) {
      if (doc === pause) yield pause
      else yield* each(doc)
    }
    for (const doc of end?.() ?? []) {
      if (pace.isDue) yield pause
      yield doc
    }
  }
}
