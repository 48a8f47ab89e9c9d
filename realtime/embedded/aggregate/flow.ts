// How documents pass from stage to stage.
import type { Doc } from '../bson/doc.ts'
import type { pause } from '../pace.ts'

/** The documents between two stages. A `pause` among them is passed on. */
export type Flow = Iterable<Doc | typeof pause>

/** Turns a stream of documents into another. */
export type StreamStage = (documents: Flow) => Flow
