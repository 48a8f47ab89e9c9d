// How a reply that a program of the host writes comes in as a stream.
import type { ConversationCommands } from '@lockstep/protocol/conversations'
import type { Produced, ProducedPiece } from '@lockstep/protocol/produce'
import type { CommandContext } from '../log/entry.ts'

/** Where an upload goes on, and with which reply. */
export type UploadStart = Omit<ConversationCommands['produce'], 'message_id' | 'pieces'> &
  Partial<Pick<ConversationCommands['produce'], 'message_id'>>

/** Takes the pieces of one upload in order. */
export interface Upload {
  /** False if nothing more is taken: the reply has ended, or another upload goes on with it. */
  readonly isTaken: boolean
  /** Ends the reply if the piece can't be taken, and throws `invalid` or `too_large`. */
  take(piece: ProducedPiece): void
  /** The program is still there, without a piece. */
  wait(): void
  /** Resolves when the log has what was taken, or the reply has ended. */
  written(): Promise<void>
}

/** The body of an upload. */
export interface UploadBody {
  /**
   * Reads the body to its end, however that comes, once the upload has been accepted. Throws what
   * the body can't be taken for.
   */
  read(upload: Upload): Promise<void>
  /** Aborts when the node stops. */
  stopping: AbortSignal
}

/** Resolves when the reply has ended. Throws what the upload can't be taken for. */
export type Produce = (
  context: CommandContext,
  start: UploadStart,
  body: UploadBody,
) => Promise<Produced>
