// What a program sees of the topic `records`: snapshots and commands, as in views.ts.
import type { JsonObject } from '@lockstep/protocol/free-form'
import type { StoredRecord } from '@lockstep/protocol/records'
import type { Delivery, IssuedCommand, TopicView } from './views.ts'

export interface RecordView extends StoredRecord {
  readonly delivery: Delivery
  /** The oldest command that writes the record, unless it was `sent`. */
  readonly mutation_id?: string
}

/** Records of the kinds that the engine's option `records` names. All of them are held and live. */
export interface RecordsTopic extends TopicView {
  /** Ordered by id, which is the order of creation for ids that the engine made. */
  list(kind: string): readonly RecordView[]
  get(kind: string, id: string): RecordView | undefined
  /** Writes a whole record. Default of `id`: a new one. */
  put(kind: string, data: JsonObject, options?: { id?: string; if_version?: number }): IssuedCommand
  /**
   * Applies a merge patch (RFC 7396) to `data`: what others write in other fields at the same time
   * stays.
   */
  patch(
    kind: string,
    id: string,
    patch: JsonObject,
    options?: { if_version?: number },
  ): IssuedCommand
  delete(kind: string, id: string, options?: { if_version?: number }): IssuedCommand
}
