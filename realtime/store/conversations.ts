// Conversations as documents: a projection that other programs may read. Only the projector writes
// them.
import type { FindCursor } from 'mongodb'
import type { Summary } from '@lockstep/protocol/conversations'
import type { Tombstone } from '@lockstep/protocol/reduce/conversation'
import type { Database } from './database.ts'
import type { ConversationDocument, LiveConversationDocument } from './documents.ts'
import { writeGuarded, type WithoutId } from './guarded-writes.ts'
import { readPage, type DocumentPage } from './paging.ts'
import { findSealedText } from './sealing/find-sealed-text.ts'
import { idIndexHint, idFilter, idsFilter, userFilter } from './shard-key.ts'
import type { TimeBudget } from './time-budget.ts'

export const conversationIdOf = (_id: string): string => _id.slice(_id.indexOf(':') + 1)
const conversationKey = (user_id: string, id: string): string => `${user_id}:${id}`

export function toSummary(document: LiveConversationDocument): Summary {
  const { _id, seq: _seq, created_at, updated_at, deleted_at, ...rest } = document
  return {
    id: conversationIdOf(_id),
    ...rest,
    created_at: created_at.toISOString(),
    updated_at: updated_at.toISOString(),
    deleted_at: deleted_at?.toISOString() ?? null,
  }
}

/** Reads any of the user's conversations: live, in the trash or purged. */
export async function readConversation(
  { conversations }: Database,
  user_id: string,
  id: string,
): Promise<ConversationDocument | null> {
  return conversations.findOne(idFilter(conversationKey(user_id, id)))
}

/** Reads the documents of any conversations of any users. */
export const readConversations = (
  { conversations }: Database,
  wanted: readonly { user_id: string; id: string }[],
): Promise<ConversationDocument[]> =>
  conversations
    .find(idsFilter(wanted.map(({ user_id, id }) => conversationKey(user_id, id))))
    .toArray()

/** A conversation as of change `seq`. */
export interface ConversationWrite {
  held: Summary | Tombstone
  seq: number
}

/** Writes each conversation, unless a newer one is stored. */
export const writeConversations = (
  { conversations }: Database,
  written: readonly ConversationWrite[],
): Promise<void> =>
  writeGuarded(
    conversations,
    written.map(({ held, seq }) => ({
      filter: { ...idFilter(conversationKey(held.user_id, held.id)), seq: { $lt: seq } },
      replacement: toDocument(held, seq),
    })),
  )

function toDocument(held: Summary | Tombstone, seq: number): WithoutId<ConversationDocument> {
  if ('purged' in held)
    return {
      user_id: held.user_id,
      version: held.version,
      seq,
      purged: true,
      purged_at: new Date(),
    }
  const { id: _conversation, created_at, updated_at, deleted_at, ...rest } = held
  return {
    ...rest,
    created_at: new Date(created_at),
    updated_at: new Date(updated_at),
    deleted_at: deleted_at === null ? null : new Date(deleted_at),
    seq,
  }
}

export interface ConversationListQuery {
  state: 'active' | 'archived' | 'trash'
  limit: number
  /** The last item of the previous page. */
  after?: { updated_at: Date; _id: string }
  /**
   * For each condition, a conversation must have one of the ids or a title that matches. Encrypted
   * titles aren't searched, because their letters mean nothing.
   */
  matching?: readonly { ids: string[]; pattern: string }[]
  time: TimeBudget
}

const states = {
  active: { deleted_at: null, archived: false },
  archived: { deleted_at: null, archived: true },
  trash: { deleted_at: { $ne: null } },
}

/** Newest `updated_at` first, then by id. */
export async function listConversations(
  database: Database,
  user_id: string,
  page: ConversationListQuery,
): Promise<DocumentPage<LiveConversationDocument>> {
  const { conversations, sealing } = database
  const { after, matching } = page
  const conditions = []
  if (after)
    conditions.push({
      $or: [{ updated_at: { $lt: after.updated_at } }, { _id: { $lt: after._id } }],
    })
  for (const { ids, pattern } of matching ?? []) {
    const keys = ids.map((id) => conversationKey(user_id, id))
    if (sealing) keys.push(...(await findSealedTitles(database, user_id, pattern, page.time)))
    conditions.push({
      $or: [{ _id: { $in: keys } }, ...(sealing ? [] : [{ title: { $regex: pattern } }])],
    })
  }
  const filter = {
    user_id,
    updated_at: after ? { $lte: after.updated_at } : { $exists: true },
    ...states[page.state],
    ...(matching && matching.length > 0 && { encryption: { $exists: false } }),
    ...(conditions.length > 0 && { $and: conditions }),
  }
  const newest = conversations.find(filter, page.time.left).sort({ updated_at: -1, _id: -1 })
  return readPage(newest as FindCursor<LiveConversationDocument>, page.limit)
}

/** The `_id`s of conversations whose title matches, if titles are sealed from the database. */
async function findSealedTitles(
  { conversations }: Database,
  user_id: string,
  pattern: string,
  time: TimeBudget,
): Promise<string[]> {
  const all = conversations
    .find({ user_id, updated_at: { $exists: true } }, time.left)
    .project<{ _id: string; title: string }>({ title: 1 })
  const found: string[] = []
  for await (const { _id } of findSealedText(all, ({ title }) => title, pattern, time))
    found.push(_id)
  return found
}

/** Counts the conversations that aren't purged. */
export const countConversations = ({ conversations }: Database, user_id: string): Promise<number> =>
  conversations.countDocuments({ user_id, purged: { $exists: false } })

/** All conversations that aren't purged and whose `_id` is above `after`, in order of `_id`. */
export async function readAllConversations(
  { conversations }: Database,
  user_id: string,
  after: string | undefined,
  limit: number,
): Promise<LiveConversationDocument[]> {
  const found = await conversations
    .find({ ...userFilter(user_id, after), purged: { $exists: false } }, idIndexHint)
    .sort({ _id: 1 })
    .limit(limit)
    .toArray()
  return found as LiveConversationDocument[]
}

/** Conversations that were moved to the trash before `before`, oldest first. */
export const findTrashedBefore = ({ conversations }: Database, before: Date, limit: number) =>
  conversations
    .find({ deleted_at: { $type: 'date', $lt: before } })
    .sort({ deleted_at: 1 })
    .limit(limit)
    .project<{ _id: string; user_id: string; version: number }>({ user_id: 1, version: 1 })
    .toArray()

/** Conversations that were purged after `after`, oldest first. */
export const findPurgedSince = ({ conversations }: Database, after: Date, limit: number) =>
  conversations
    .find({ purged_at: { $type: 'date', $gt: after } })
    .sort({ purged_at: 1 })
    .limit(limit)
    .project<{ _id: string; user_id: string; seq: number }>({ user_id: 1, seq: 1 })
    .toArray()
