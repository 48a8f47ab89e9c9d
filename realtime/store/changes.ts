// The log as documents. Entries are only inserted; nothing is changed except that content is
// stripped. `_id` orders a user's topic and makes the insert a compare-and-swap.
import { BSON, MongoBulkWriteError, MongoServerError, type FindCursor } from 'mongodb'
import type { Topic } from '@lockstep/protocol/topics'
import type { Database } from './database.ts'
import type { ChangeDocument } from './documents.ts'
import { eraseDeleted } from './erasure.ts'
import { freeBytes } from './freed-bytes.ts'
import { idsFilter, idIndexHint, userIdOf } from './shard-key.ts'
import type { TimeBudget } from './time-budget.ts'

const DIGITS = 12
const DUPLICATE_KEY = 11000
/** At least as large as any `seq`. */
export const MAX_SEQ = 10 ** DIGITS - 1

export const topicKey = (user_id: string, topic: string): string => `${user_id}:${topic}`
export const changeId = (key: string, seq: number): string =>
  `${key}:${String(seq).padStart(DIGITS, '0')}`

/** Selects a topic's entries in (after, upTo]. */
const entriesIn = (key: string, after: number, upTo: number) => ({
  user_id: userIdOf(key),
  _id: { $gt: changeId(key, after), $lte: changeId(key, upTo) },
})

/** Selects an entity's entries. */
const entityOf = (key: string, entity_id: string): EntityQuery => ({
  user_id: userIdOf(key),
  topic: key.slice(key.lastIndexOf(':') + 1) as Topic,
  entity_id,
})

/**
 * What became of an entry. `taken`: its `_id` or its `mutation_id` is in the log already; the
 * server doesn't report which of the two, if both are.
 */
export type Inserted = { is: 'inserted' | 'taken' } | { is: 'uncertain'; error: unknown }

/** Inserts entries by one command; each succeeds or fails by itself. Never rejects. */
export async function insertChanges(
  { changes }: Database,
  entries: readonly ChangeDocument[],
): Promise<Inserted[]> {
  try {
    if (entries.length === 1) await changes.insertOne(entries[0]!)
    else await changes.insertMany(entries, { ordered: false })
    return entries.map(() => ({ is: 'inserted' }))
  } catch (error) {
    return outcomesOf(error, entries.length)
  }
}

function outcomesOf(error: unknown, count: number): Inserted[] {
  const uncertain = { is: 'uncertain' as const, error }
  if (!(error instanceof MongoBulkWriteError)) {
    const taken = error instanceof MongoServerError && error.code === DUPLICATE_KEY
    return Array.from({ length: count }, () => (taken ? { is: 'taken' } : uncertain))
  }
  // without a majority, even an entry that was inserted may be rolled back
  const rest: Inserted = error.result.getWriteConcernError() ? uncertain : { is: 'inserted' }
  const outcomes = Array.from({ length: count }, () => rest)
  for (const { index, code, ...failed } of [error.writeErrors].flat())
    outcomes[index] = code === DUPLICATE_KEY ? { is: 'taken' } : { is: 'uncertain', error: failed }
  return outcomes
}

/**
 * Entries in (after, upTo], in order. Each is read only when it is needed, because it may have
 * megabytes.
 */
export const readChanges = (
  { changes }: Database,
  key: string,
  after: number,
  { upTo = MAX_SEQ, limit = 0 }: { upTo?: number; limit?: number } = {},
): FindCursor<ChangeDocument> =>
  changes
    .find(entriesIn(key, after, upTo), idIndexHint)
    .sort({ _id: 1 })
    .limit(limit)

/**
 * The same without `before`, which only rewind needs and which may be larger than the rest, and
 * without the fingerprint.
 */
export const readChangesWithoutBefore = (
  ...query: Parameters<typeof readChanges>
): FindCursor<ChangeDocument> =>
  readChanges(...query).project<ChangeDocument>({ before: 0, fingerprint: 0 })

/** The size of an entry in BSON, where numbers and lists take more bytes than in JSON. */
export const storedBytes = (entry: ChangeDocument): number =>
  BSON.calculateObjectSize(entry, { ignoreUndefined: true })

/** The newest entry of a topic, without its content. */
export const readLast = ({ changes }: Database, key: string) =>
  changes
    .find(entriesIn(key, 0, MAX_SEQ), idIndexHint)
    .sort({ _id: -1 })
    .limit(1)
    .project<Pick<ChangeDocument, '_id' | 'seq' | 'epoch' | 'at' | 'op'>>({
      seq: 1,
      epoch: 1,
      at: 1,
      op: 1,
    })
    .next()

/**
 * The positions of entries made after `since`, oldest first. Stripped entries are left out, because
 * they were projected long ago.
 */
export const readRecent = ({ changes }: Database, since: Date) =>
  changes
    .find({ at: { $gt: since }, data: { $exists: true } })
    .sort({ at: 1 })
    .project<Pick<ChangeDocument, 'user_id' | 'topic' | 'seq'>>({
      _id: 0,
      user_id: 1,
      topic: 1,
      seq: 1,
    })

/** A point in a topic's history: after the entry `seq`, or after all entries made until `time`. */
export type HistoryPoint = { seq: number } | { time: Date }

interface EntityQuery {
  user_id: string
  topic: Topic
  entity_id: string
}

/** The last entry of an entity at a point in its history. */
export const findLastEntryAt = (
  { changes }: Database,
  entity: EntityQuery,
  moment: HistoryPoint,
): Promise<Pick<ChangeDocument, 'seq' | 'version'> | null> =>
  changes.findOne(
    {
      ...entity,
      ...('seq' in moment ? { seq: { $lte: moment.seq } } : { at: { $lte: moment.time } }),
    },
    { sort: { seq: -1 }, projection: { seq: 1, version: 1 } },
  )

/** All entries of an entity, in order. */
export const readEntity = ({ changes }: Database, entity: EntityQuery): Promise<ChangeDocument[]> =>
  changes
    .find({ ...entity })
    .sort({ seq: 1 })
    .toArray()

/**
 * Entries of an entity in (after, upTo], newest first, with what undoing them needs, read as they
 * are asked for: one may have megabytes.
 */
export const readUndoable = (
  { changes, sealing }: Database,
  entity: EntityQuery,
  after: number,
  upTo: number,
): FindCursor<ReversibleEntry> =>
  changes
    .find({ ...entity, seq: { $gt: after, $lte: upTo } })
    .sort({ seq: -1 })
    .project<ReversibleEntry>({
      ...{ op: 1, version: 1, stripped: 1, before: 1 },
      // the database can't look into what is sealed
      ...(sealing ? { data: 1 } : undoableData),
    })

const undoableData = {
  'data.messages.id': 1,
  'data.removed_messages': 1,
  'data.message_id': 1,
  'data.offset': 1,
  'data.part_id': 1,
  'data.part': 1,
}

export type ReversibleEntry = Pick<
  ChangeDocument,
  'op' | 'version' | 'stripped' | 'before' | 'data'
>

/**
 * An entry without its content: the names of the fields it wrote, and counts and a label, which are
 * null once the content has been stripped.
 */
export type EntryOutline = Pick<
  ChangeDocument,
  'seq' | 'at' | 'topic' | 'op' | 'entity_id' | 'version' | 'actor' | 'stripped'
> & {
  fields: string[] | null
  messages: number | null
  edited: number | null
  pinned: boolean | null
  archived: boolean | null
  /** An agent's id, a status or a device's name. */
  label: string | null
}

const namesOf = (field: string) => ({
  $cond: [
    { $eq: [{ $type: field }, 'object'] },
    { $map: { input: { $objectToArray: field }, in: '$$this.k' } },
    null,
  ],
})
/** Two operands each, because MongoDB 4.4 accepts no more. */
const firstOf = (...operands: unknown[]): unknown =>
  operands.reduceRight((rest, operand) => ({ $ifNull: [operand, rest] }), null)
const lengthOf = (field: string) => ({ $cond: [{ $isArray: [field] }, { $size: field }, null] })

/** Outlines of the newest entries below `before`, newest first, of all entities or of one. */
export const readOutlines = (
  { changes }: Database,
  key: string,
  {
    before,
    limit,
    entity_id,
    time,
  }: { before: number; limit: number; entity_id?: string; time: TimeBudget },
): Promise<EntryOutline[]> =>
  (entity_id === undefined
    ? changes
        .find(entriesIn(key, 0, before - 1), { ...idIndexHint, ...time.left })
        .sort({ _id: -1 })
    : changes
        .find({ ...entityOf(key, entity_id), seq: { $lt: before } }, time.left)
        .sort({ seq: -1 })
  )
    .limit(limit)
    .project<EntryOutline>({
      ...{
        _id: 0,
        seq: 1,
        at: 1,
        topic: 1,
        op: 1,
        entity_id: 1,
        version: 1,
        actor: 1,
        stripped: 1,
      },
      fields: firstOf(
        '$fields',
        '$outline.fields',
        firstOf(namesOf('$data.patch'), namesOf('$data')),
      ),
      messages: firstOf('$outline.messages', lengthOf('$data.messages')),
      edited: firstOf('$outline.edited', lengthOf('$before.messages')),
      pinned: firstOf('$outline.pinned', '$data.pinned'),
      archived: firstOf('$outline.archived', '$data.archived'),
      label: firstOf(
        '$outline.label',
        '$data.agent',
        '$data.status',
        '$data.session.device',
        '$data.what',
        '$data.kind',
      ),
    })
    .toArray()

/**
 * Finds topics whose log has entries that aren't projected, and the `seq` of the last one. There
 * are few, because projections follow within milliseconds.
 */
export async function readUnapplied(
  database: Database,
  heads: readonly { _id: string; applied: number }[],
): Promise<{ key: string; seq: number }[]> {
  if (heads.length === 0) return []
  // `seq` has no gaps, so unprojected entries begin with the next one
  const next = new Map(heads.map(({ _id, applied }) => [changeId(_id, applied + 1), _id]))
  const found = await database.changes
    .find(idsFilter([...next.keys()]))
    .project<{ _id: string }>({ _id: 1 })
    .toArray()
  const read = async (key: string) => ({ key, seq: (await readLast(database, key))!.seq })
  return Promise.all(found.map(({ _id }) => read(next.get(_id)!)))
}

export const findMutation = (
  { changes }: Database,
  user_id: string,
  topic: Topic,
  mutation_id: string,
) => changes.findOne({ user_id, topic, mutation_id })

/** Whether a command with this fingerprint has made the entry. */
export const isMadeBy = (
  { sealing }: Database,
  { _id, fingerprint }: Pick<ChangeDocument, '_id' | 'fingerprint'>,
  asked: string,
): boolean => fingerprint === asked || fingerprint === sealing?.digestOfFingerprint(_id, asked)

const contentFields = { data: '', before: '', outline: '' } as const

/**
 * Strips an entity's entries up to `upTo`, for a purge. The topic counts too: clients choose ids,
 * so another topic's entity may have the same id.
 */
export async function stripEntity(
  database: Database,
  entity: EntityQuery,
  upTo: number,
): Promise<void> {
  const { changes } = database
  const full = {
    ...entity,
    seq: { $lte: upTo },
    stripped: { $exists: false },
    data: { $exists: true },
  }
  const sizes = await changes.find(full).project<SizedEntry>(sizedEntry).toArray()
  const { modifiedCount } = await changes.updateMany(full, {
    $set: { stripped: true },
    $unset: contentFields,
  })
  // if another node has stripped some of them meanwhile, none is counted, so that none counts twice
  if (modifiedCount === sizes.length) await freeBytes(database, bytesByTopic(sizes))
  if (modifiedCount > 0) await eraseDeleted(database)
}

type SizedEntry = Pick<ChangeDocument, '_id' | 'content_bytes'>
const sizedEntry = { _id: 1, content_bytes: 1 }

function bytesByTopic(entries: readonly SizedEntry[]): Map<string, number> {
  const bytes = new Map<string, number>()
  for (const { _id, content_bytes = 0 } of entries) {
    const key = _id.slice(0, _id.lastIndexOf(':'))
    bytes.set(key, (bytes.get(key) ?? 0) + content_bytes)
  }
  return bytes
}

/**
 * Strips at most `limit` entries that are older than `before`, and returns how many. The stripped
 * entries remain as an audit trail.
 */
export async function expireContent(
  database: Database,
  before: Date,
  limit: number,
): Promise<number> {
  const { changes } = database
  const old = await changes
    .find({ at: { $lt: before }, data: { $exists: true } })
    .sort({ at: 1 })
    .limit(limit)
    .project<SizedEntry>(sizedEntry)
    .toArray()
  if (old.length === 0) return 0
  const { modifiedCount } = await changes.updateMany(
    { ...idsFilter(old.map(({ _id }) => _id)), data: { $exists: true } },
    { $set: { stripped: true, expired: true }, $unset: contentFields },
  )
  if (modifiedCount === old.length) await freeBytes(database, bytesByTopic(old))
  await eraseDeleted(database)
  return old.length
}
