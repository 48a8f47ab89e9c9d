// What happens to a record: it is written, patched, deleted, read. Writes go through the log of
// topic `records`.
import {
  decideRecordDelete,
  decideRecordPatch,
  decideRecordPut,
  existingRecord,
  type RecordDecision,
} from '@lockstep/protocol/decide/records'
import type { RecordCommands, StoredRecord } from '@lockstep/protocol/records'
import { isRecord, type HeldRecord } from '@lockstep/protocol/reduce/record'
import type { Answer } from '@lockstep/protocol/rest'
import type { CommandContext } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import type { Database } from '../store/database.ts'
import { listRecords, toRecord } from '../store/records.ts'
import { cursorsOf } from './cursor.ts'
import { outcomeOf, type Outcome } from './outcome.ts'

/** null: the record is deleted. */
export type RecordOutcome = Outcome<StoredRecord | null>

export interface RecordUseCases {
  /** Faults: `id_taken`, `version_conflict` with `current`, `not_found` for `if_version` alone. */
  put(context: CommandContext, payload: RecordCommands['put']): Promise<RecordOutcome>
  /** The same for a request that says whether the record may exist, and asks whether it did. */
  write(
    context: CommandContext,
    payload: RecordCommands['put'],
    options: { only_if_absent: boolean },
  ): Promise<{ record: StoredRecord; isNew: boolean }>
  /** Merges a patch. Faults: `not_found`, `version_conflict`, `too_large` when the result is. */
  patch(context: CommandContext, payload: RecordCommands['patch']): Promise<RecordOutcome>
  /** Faults: `not_found`, `version_conflict` with `current`. */
  delete(context: CommandContext, payload: RecordCommands['delete']): Promise<RecordOutcome>
  /** Ordered by id. Throws `invalid` for a foreign cursor. */
  list(
    user_id: string,
    kind: string,
    query: { limit: number; cursor?: string },
  ): Promise<Answer<'listRecords'>>
  /** Throws `not_found`. */
  get(user_id: string, kind: string, id: string): Promise<StoredRecord>
}

type Decide = (held: HeldRecord) => RecordDecision | undefined

export function createRecords(database: Database, log: Log): RecordUseCases {
  const append = (
    context: CommandContext,
    { id }: { id: string },
    identity: unknown,
    decide: Decide,
  ) => log.append({ context, topic: 'records', entity_id: id, identity, decide })

  return {
    async put(context, payload) {
      const appended = await append(context, payload, ['put', payload], (held) =>
        decideRecordPut(held, payload),
      )
      return outcomeOf(appended, shown(appended.state))
    },

    async write(context, payload, { only_if_absent }) {
      let isNew = false
      const identity = ['put', payload, ...(only_if_absent ? ['only if absent'] : [])]
      const { kind, state } = await append(context, payload, identity, (held) => {
        isNew = !isRecord(held)
        return decideRecordPut(held, payload, { only_if_absent })
      })
      // a repeated request may find that the record was deleted since
      return { record: existingRecord(state, payload.kind), isNew: isNew && kind === 'appended' }
    },

    async patch(context, payload) {
      const appended = await append(context, payload, ['patch', payload], (held) =>
        decideRecordPatch(held, payload),
      )
      return outcomeOf(appended, shown(appended.state))
    },

    async delete(context, payload) {
      const appended = await append(context, payload, ['delete', payload], (held) =>
        decideRecordDelete(held, payload),
      )
      return outcomeOf(appended, null)
    },

    async list(user_id, kind, { limit, cursor }) {
      const cursors = cursorsOf('records', user_id, kind)
      const after = cursor === undefined ? undefined : cursors.read(cursor)._id
      const head = await log.projectToHead(user_id, 'records')
      const { items, more } = await listRecords(database, user_id, kind, { after, limit })
      const records = items.map(toRecord)
      const last = records.at(-1)
      const next_cursor = last && more ? cursors.write({ at: new Date(0), _id: last.id }) : null
      return { items: records, next_cursor, ...head }
    },

    get: async (user_id, kind, id) =>
      existingRecord(await log.stateAtHead({ user_id, topic: 'records', entity_id: id }), kind),
  }
}

const shown = (held: HeldRecord): StoredRecord | null => (isRecord(held) ? held : null)
