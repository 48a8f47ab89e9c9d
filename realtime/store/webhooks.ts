// Webhooks, what was asked to be delivered again, and how far each user's topic has been delivered
// to each of them. A delivery's cursor is written by the node that holds the lease, and by nobody
// else; a cursor only moves back in a new `round`, so that what was on its way before then doesn't
// move it forward again.
import type { Topic } from '@lockstep/protocol/topics'
import { readChanges, topicKey } from './changes.ts'
import type { Database } from './database.ts'
import type { ChangeDocument } from './documents.ts'
import type {
  WebhookCursorDocument,
  WebhookDocument,
  WebhookReplayDocument,
} from './webhook-documents.ts'
import { idIndexHint, userIdOf } from './shard-key.ts'

export async function insertWebhook({ webhooks }: Database, webhook: WebhookDocument) {
  await webhooks.insertOne(webhook)
}

/** Oldest first. There are only a few. */
export const findWebhooks = ({ webhooks }: Database): Promise<WebhookDocument[]> =>
  webhooks.find().sort({ _id: 1 }).toArray()

export const findWebhook = ({ webhooks }: Database, _id: string): Promise<WebhookDocument | null> =>
  webhooks.findOne({ _id })

export const countWebhooks = ({ webhooks }: Database): Promise<number> => webhooks.countDocuments()

/** False if there is no such webhook. Its cursors remain for `deleteWebhookCursors`. */
export async function deleteWebhook({ webhooks }: Database, _id: string): Promise<boolean> {
  return (await webhooks.deleteOne({ _id })).deletedCount === 1
}

export async function updateWebhook(
  { webhooks }: Database,
  _id: string,
  fields: Partial<Pick<WebhookDocument, 'secret' | 'delivered_at' | 'last_error'>>,
): Promise<void> {
  await webhooks.updateOne({ _id }, { $set: fields })
}

/** Removes what a webhook that is gone has left behind. */
export async function deleteWebhookCursors(
  { webhook_cursors, webhook_replays }: Database,
  webhook_id: string,
): Promise<void> {
  await webhook_replays.deleteMany({ webhook_id })
  await webhook_cursors.deleteMany({ webhook_id })
}

export async function insertReplay(
  { webhook_replays }: Database,
  replay: WebhookReplayDocument,
): Promise<void> {
  await webhook_replays.insertOne(replay)
}

/** In the order in which they were asked for. */
export const findReplays = ({ webhook_replays }: Database): Promise<WebhookReplayDocument[]> =>
  webhook_replays.find().sort({ _id: 1 }).toArray()

/** Notes that the users up to this one have been begun anew. */
export async function noteReplayed(
  { webhook_replays }: Database,
  _id: string,
  after: string,
): Promise<void> {
  await webhook_replays.updateOne({ _id }, { $set: { after } })
}

export async function deleteReplay({ webhook_replays }: Database, _id: string): Promise<void> {
  await webhook_replays.deleteOne({ _id })
}

export const cursorId = (webhook_id: string, user_id: string, topic: Topic): string =>
  `${webhook_id}:${user_id}:${topic}`

/** Entries of a topic that have to be delivered to a webhook. */
export interface DueEntries {
  webhook_id: string
  user_id: string
  topic: Topic
  epoch: string
  /** The first and the last entry that was seen. */
  first: number
  last: number
}

/** The last entry that was seen, for updates that must not take it back. */
const lastSeen = (last: number) => ({ $cond: [{ $gt: ['$seen', last] }, '$seen', last] })
const nextRound = { $add: [{ $ifNull: ['$round', 0] }, 1] }

/**
 * Notes that there are entries to deliver. A cursor that is new, or of another epoch, begins at the
 * first of them. One that waits to be tried again goes on waiting.
 */
export async function noteDue(
  { webhook_cursors }: Database,
  due: readonly DueEntries[],
  now: Date,
): Promise<void> {
  if (due.length === 0) return
  await webhook_cursors.bulkWrite(
    due.map(({ webhook_id, user_id, topic, epoch, first, last }) => {
      const isKnown = { $eq: ['$epoch', epoch] }
      const known = (field: string, otherwise: unknown) => ({
        $cond: [isKnown, `$${field}`, otherwise],
      })
      return {
        updateOne: {
          filter: { _id: cursorId(webhook_id, user_id, topic) },
          update: [
            {
              $set: {
                ...{ webhook_id, user_id, topic, epoch },
                delivered: known('delivered', first - 1),
                seen: lastSeen(last),
                round: known('round', nextRound),
                tries: { $ifNull: ['$tries', 0] },
                failing: { $ifNull: ['$failing', false] },
                due_at: { $ifNull: ['$due_at', now] },
              },
            },
          ],
          upsert: true,
        },
      }
    }),
    { ordered: false },
  )
}

/** Delivers again from `first` on, if that is before what has been delivered, and at once. */
export async function rewindCursors(
  { webhook_cursors }: Database,
  due: readonly DueEntries[],
  now: Date,
): Promise<void> {
  if (due.length === 0) return
  await webhook_cursors.bulkWrite(
    due.map(({ webhook_id, user_id, topic, epoch, first, last }) => ({
      updateOne: {
        filter: { _id: cursorId(webhook_id, user_id, topic) },
        update: [
          {
            $set: {
              ...{ webhook_id, user_id, topic, epoch, tries: 0, failing: false, due_at: now },
              delivered: {
                $cond: [
                  { $lt: [{ $ifNull: ['$delivered', last] }, first - 1] },
                  '$delivered',
                  first - 1,
                ],
              },
              seen: lastSeen(last),
              round: nextRound,
            },
          },
          { $unset: 'failing_since' },
        ],
        upsert: true,
      },
    })),
    { ordered: false },
  )
}

/**
 * Cursors that are due at `now`, the longest due first.
 * @param failing those whose last attempt failed, or the others
 */
export const findDueCursors = (
  { webhook_cursors }: Database,
  { webhook_id, failing, now, limit }: DueQuery,
): Promise<WebhookCursorDocument[]> =>
  webhook_cursors
    .find({ webhook_id, failing, due_at: { $lte: now } })
    .sort({ due_at: 1 })
    .limit(limit)
    .toArray()

export interface DueQuery {
  webhook_id: string
  failing: boolean
  now: Date
  limit: number
}

/** When the next failed delivery is due. */
export async function nextDue(
  { webhook_cursors }: Database,
  webhook_id: string,
  after: Date,
): Promise<Date | undefined> {
  const next = await webhook_cursors.findOne(
    { webhook_id, failing: true, due_at: { $gt: after } },
    { sort: { due_at: 1 } },
  )
  return next?.due_at
}

/** Since when the webhook has failed to take a change that still waits. */
export async function failingSince(
  { webhook_cursors }: Database,
  webhook_id: string,
): Promise<Date | undefined> {
  const first = await webhook_cursors.findOne(
    { webhook_id, failing_since: { $exists: true } },
    { sort: { failing_since: 1 } },
  )
  return first?.failing_since
}

/**
 * All failed deliveries that are due later than `after` are tried again at once. False if there are
 * none.
 */
export async function hurryCursors(
  { webhook_cursors }: Database,
  webhook_id: string,
  { after, now }: { after: Date; now: Date },
): Promise<boolean> {
  const { modifiedCount } = await webhook_cursors.updateMany(
    { webhook_id, failing: true, due_at: { $gt: after } },
    { $set: { due_at: now } },
  )
  return modifiedCount > 0
}

type Position = Pick<WebhookCursorDocument, '_id' | 'round'> & { delivered: number }

const notFailing = { failing: false, tries: 0 }

/** False if the cursor is gone, or was moved back meanwhile. */
export async function noteDelivered(
  { webhook_cursors }: Database,
  { _id, round, delivered }: Position,
): Promise<boolean> {
  const { matchedCount } = await webhook_cursors.updateOne(
    { _id, round },
    { $max: { delivered }, $set: notFailing, $unset: { failing_since: 1 } },
  )
  return matchedCount === 1
}

/** The same for the last of a turn. If more was seen, the rest is due after the others. */
export async function noteTurn(
  { webhook_cursors }: Database,
  { _id, round, delivered }: Position,
  now: Date,
): Promise<void> {
  const ends = await webhook_cursors.updateOne(
    { _id, round, seen: { $lte: delivered } },
    { $max: { delivered }, $set: notFailing, $unset: { failing_since: 1, due_at: 1 } },
  )
  if (ends.matchedCount === 1) return
  await webhook_cursors.updateOne(
    { _id, round },
    {
      $max: { delivered },
      $set: { ...notFailing, due_at: now },
      $unset: { failing_since: 1 },
    },
  )
}

/** Has a cursor tried again later. */
export async function postpone(
  { webhook_cursors }: Database,
  { _id, round, delivered }: Position,
  failure: { tries: number; failing_since: Date; due_at: Date },
): Promise<void> {
  await webhook_cursors.updateOne(
    { _id, round },
    { $max: { delivered }, $set: { ...failure, failing: true } },
  )
}

/** After `closed`, nothing of the user follows. */
export async function deleteCursor(
  { webhook_cursors }: Database,
  { _id, round }: Pick<WebhookCursorDocument, '_id' | 'round'>,
): Promise<void> {
  await webhook_cursors.deleteOne({ _id, round })
}

/** Cursors of all webhooks in the order of their ids, above `after`. */
export const pageOfCursors = (
  { webhook_cursors }: Database,
  after: string,
  limit: number,
): Promise<WebhookCursorDocument[]> =>
  webhook_cursors
    .find({ _id: { $gt: after } })
    .sort({ _id: 1 })
    .limit(limit)
    .toArray()

/** An entry as far as it must be known before it is read. */
export type EntrySize = Pick<ChangeDocument, 'seq' | 'content_bytes'>

/** The sizes of the next entries of a topic. */
export const readSizes = (
  database: Database,
  user_id: string,
  topic: Topic,
  { after, limit }: { after: number; limit: number },
): Promise<EntrySize[]> =>
  readChanges(database, topicKey(user_id, topic), after, { limit })
    .project<EntrySize>({ seq: 1, content_bytes: 1 })
    .toArray()

/** Entries of any user that were made after `since`, oldest first. */
export const readMadeSince = ({ changes }: Database, since: Date) =>
  changes
    .find({ at: { $gt: since }, data: { $exists: true } })
    .sort({ at: 1 })
    .project<Pick<ChangeDocument, 'user_id' | 'topic' | 'seq' | 'epoch'>>({
      ...{ _id: 0, user_id: 1, topic: 1, seq: 1, epoch: 1 },
    })

/** Whether an account is closed. */
export async function isClosed(
  { heads }: Database,
  user_id: string,
  topic: Topic,
): Promise<boolean> {
  const key = topicKey(user_id, topic)
  const head = await heads.findOne({ user_id: userIdOf(key), _id: key }, idIndexHint)
  return head === null || head.closed === true
}
