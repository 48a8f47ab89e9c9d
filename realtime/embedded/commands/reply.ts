// What a command answers.
import type { Doc } from '../bson/codec.ts'
import type { CursorBatch } from '../wire/message.ts'

/** An answer: its fields, and the batch of a cursor as bytes. */
export interface CommandReply {
  body: Doc
  cursor?: CursorBatch
  /** Makes the next answer to the same request, when the client allows several. */
  next?: () => Promise<CommandReply>
}
