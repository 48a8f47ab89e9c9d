// Pure: how a record is written, patched and deleted. Its version counts on after a deletion, so
// that no device takes an older record for a newer one.
import type { DecisionOf } from '../change.ts'
import { Fault } from '../errors.ts'
import { equalJson, exceedsFreeForm, mergePatch, type JsonObject } from '../free-form.ts'
import * as limits from '../limit-values.ts'
import type { RecordCommands, StoredRecord } from '../records.ts'
import { isRecord, type HeldRecord } from '../reduce/record.ts'

export type RecordDecision = DecisionOf<'records'>

/** undefined: the record has this data. Throws `id_taken` if the id is that of another kind. */
export function decideRecordPut(
  held: HeldRecord,
  { kind, id, data, if_version }: RecordCommands['put'],
  { only_if_absent = false }: { only_if_absent?: boolean } = {},
): RecordDecision | undefined {
  if (held && held.kind !== kind)
    throw new Fault('id_taken', { detail: 'This id belongs to a record of another kind' })
  const record = isRecord(held) ? held : undefined
  if (record && only_if_absent) throw new Fault('version_conflict', { current: record })
  if (record && equalJson(record.data, data)) return undefined
  if (if_version !== undefined) checkVersion(existingRecord(record, kind), if_version)
  return put(held, { kind, id, data })
}

/** undefined: nothing would change. Throws `not_found`, and `too_large` for the result. */
export function decideRecordPatch(
  held: HeldRecord,
  { kind, id, data: patch, if_version }: RecordCommands['patch'],
): RecordDecision | undefined {
  const record = existingRecord(held, kind)
  const data = mergePatch(record.data, patch)
  if (equalJson(record.data, data)) return undefined
  checkVersion(record, if_version)
  if (exceedsFreeForm(data))
    throw new Fault('too_large', {
      detail: 'The record would become too large',
      limit_bytes: limits.freeFormBytes,
    })
  return put(held, { kind, id, data })
}

/** undefined: the record is deleted already. Throws `not_found` if it never existed. */
export function decideRecordDelete(
  held: HeldRecord,
  { kind, id, if_version }: RecordCommands['delete'],
): RecordDecision | undefined {
  if (held?.kind === kind && !isRecord(held)) return undefined
  const record = existingRecord(held, kind)
  checkVersion(record, if_version)
  return { op: 'deleted', entity_id: id, version: record.version + 1, data: { kind } }
}

/** Adds a record with the times that it has. undefined: its id is in use, or was before. */
export const decideRecordImport = (
  held: HeldRecord,
  { id, ...data }: Omit<StoredRecord, 'version'>,
): RecordDecision | undefined => (held ? undefined : { op: 'put', entity_id: id, version: 1, data })

/** Throws `not_found` for a record that is deleted, never existed or has another kind. */
export function existingRecord(held: HeldRecord, kind: string): StoredRecord {
  if (isRecord(held) && held.kind === kind) return held
  throw new Fault('not_found', { detail: 'There is no such record' })
}

function checkVersion(record: StoredRecord, if_version: number | undefined): void {
  if (if_version !== undefined && if_version !== record.version)
    throw new Fault('version_conflict', { current: record })
}

const put = (
  held: HeldRecord,
  { kind, id, data }: { kind: string; id: string; data: JsonObject },
): RecordDecision => ({
  op: 'put',
  entity_id: id,
  version: (held?.version ?? 0) + 1,
  data: { kind, data },
})
