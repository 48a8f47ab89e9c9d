import type { WireChange } from '../change.ts'
import { isKnownOf } from '../known-change.ts'
import type { StoredRecord } from '../records.ts'

/** What is left of a deleted record: its id stays with its kind, and its version goes on. */
export interface RecordTombstone {
  id: string
  kind: string
  version: number
  deleted: true
}
export type HeldRecord = StoredRecord | RecordTombstone | undefined
export const isRecord = (held: HeldRecord): held is StoredRecord =>
  held !== undefined && !('deleted' in held)

/**
 * Pure: record + change -> record. A change whose version isn't above the record's changes nothing.
 */
export function reduceRecord(held: HeldRecord, change: WireChange): HeldRecord {
  const { entity_id: id, version, at } = change
  if ((held && version <= held.version) || !isKnownOf('records', change) || !change.data)
    return held
  if (change.op === 'deleted') return { id, kind: change.data.kind, version, deleted: true }
  if (change.op !== 'put') return held
  const { kind, data, updated_at = at } = change.data
  const created_at = change.data.created_at ?? (isRecord(held) ? held.created_at : at)
  return { kind, id, data, version, created_at, updated_at }
}
