// Records as documents: the projection of the topic `records`. Only the projector writes them.
import type { FindCursor } from 'mongodb'
import type { StoredRecord } from '@lockstep/protocol/records'
import type { HeldRecord } from '@lockstep/protocol/reduce/record'
import type { Database } from './database.ts'
import type { LiveRecordDocument, RecordDocument } from './documents.ts'
import { writeGuarded, type WithoutId } from './guarded-writes.ts'
import { readPage, type DocumentPage } from './paging.ts'
import { idFilter, idIndexHint, idsFilter, userFilter } from './shard-key.ts'

const recordKey = (user_id: string, id: string): string => `${user_id}:${id}`
const recordIdOf = (_id: string): string => _id.slice(_id.indexOf(':') + 1)

export const toRecord = ({
  _id,
  user_id: _user,
  seq: _seq,
  created_at,
  updated_at,
  ...rest
}: LiveRecordDocument): StoredRecord => ({
  id: recordIdOf(_id),
  ...rest,
  created_at: created_at.toISOString(),
  updated_at: updated_at.toISOString(),
})

const toHeldRecord = (document: RecordDocument): NonNullable<HeldRecord> =>
  'deleted' in document
    ? {
        id: recordIdOf(document._id),
        kind: document.deleted_kind,
        version: document.version,
        deleted: true,
      }
    : toRecord(document)

export async function readRecord(
  { records }: Database,
  user_id: string,
  id: string,
): Promise<HeldRecord> {
  const document = await records.findOne(idFilter(recordKey(user_id, id)))
  return document ? toHeldRecord(document) : undefined
}

/** Reads any records of any users. */
export async function readRecords(
  { records }: Database,
  wanted: readonly { user_id: string; id: string }[],
): Promise<{ user_id: string; held: NonNullable<HeldRecord> }[]> {
  const keys = wanted.map(({ user_id, id }) => recordKey(user_id, id))
  const found = await records.find(idsFilter(keys)).toArray()
  return found.map((document) => ({ user_id: document.user_id, held: toHeldRecord(document) }))
}

/** A record as of change `seq`. */
export interface RecordWrite {
  user_id: string
  held: NonNullable<HeldRecord>
  seq: number
}

/** Writes each record, unless a newer one is stored. */
export const writeRecords = (
  { records }: Database,
  written: readonly RecordWrite[],
): Promise<void> =>
  writeGuarded(
    records,
    written.map((write) => ({
      filter: { ...idFilter(recordKey(write.user_id, write.held.id)), seq: { $lt: write.seq } },
      replacement: toDocument(write),
    })),
  )

function toDocument({ user_id, held, seq }: RecordWrite): WithoutId<RecordDocument> {
  if ('deleted' in held)
    return { user_id, deleted_kind: held.kind, version: held.version, seq, deleted: true }
  const { id: _id, created_at, updated_at, ...rest } = held
  return {
    ...{ user_id, ...rest },
    created_at: new Date(created_at),
    updated_at: new Date(updated_at),
    seq,
  }
}

/** Those of a kind whose id is above `after`, in order of their ids. */
export function listRecords(
  { records }: Database,
  user_id: string,
  kind: string,
  { after, limit }: { after: string | undefined; limit: number },
): Promise<DocumentPage<LiveRecordDocument>> {
  const { _id } = userFilter(user_id, after === undefined ? undefined : recordKey(user_id, after))
  const found = records.find({ user_id, kind, _id }, { hint: 'kind' }).sort({ _id: 1 })
  // Assertion: a deleted record has no `kind`.
  return readPage(found as FindCursor<LiveRecordDocument>, limit)
}

/** All records that aren't deleted and whose `_id` is above `after`, in order of `_id`. */
export async function readAllRecords(
  { records }: Database,
  user_id: string,
  after: string | undefined,
  limit: number,
): Promise<LiveRecordDocument[]> {
  const found = await records
    .find({ ...userFilter(user_id, after), deleted: { $exists: false } }, idIndexHint)
    .sort({ _id: 1 })
    .limit(limit)
    .toArray()
  return found as LiveRecordDocument[]
}
