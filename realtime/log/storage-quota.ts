// How much a user may store. Each entry stores the bytes of all its topic's entries, its own
// included. So the bytes of the topic that a command appends to are exact, whichever nodes append.
// The bytes of the user's other topics may be a few seconds old. Drafts are in no log; their bytes
// count as those of another topic.
import { Fault } from '@lockstep/protocol/errors'
import { refusedWhenFull } from '@lockstep/protocol/known-change'
import { topics } from '@lockstep/protocol/topics'
import { topicKey } from '../store/changes.ts'
import type { Database } from '../store/database.ts'
import type { ChangeDocument } from '../store/documents.ts'
import { draftBytesOf } from '../store/drafts.ts'
import { readHeads } from '../store/heads.ts'
import { isServer } from './entry.ts'
import type { TopicHead } from './head-cache.ts'

/** How old the bytes of other topics may be (ms). */
const MAX_AGE_MS = 5_000
/** For how many users the bytes are kept. */
const REMEMBERED = 10_000

export interface StorageQuota {
  /** Why `entry` may not be appended after `head`; undefined if it may. */
  refusal(head: TopicHead, entry: ChangeDocument): Promise<Fault | undefined>
}

/** The bytes of a topic's entries as they were inserted, and the bytes that were removed since. */
interface TopicBytes {
  total: number
  freed: number
}

/** The bytes by topic key, as of the projected heads. */
async function readBytes(database: Database, user_id: string): Promise<Map<string, TopicBytes>> {
  const keys = topics.map((topic) => topicKey(user_id, topic))
  const [heads, drafts] = await Promise.all([
    readHeads(database, keys),
    draftBytesOf(database, user_id),
  ])
  const bytes = new Map<string, TopicBytes>(
    heads.map(({ _id, total_bytes: total = 0, freed_bytes: freed = 0 }) => [_id, { total, freed }]),
  )
  return bytes.set('drafts', { total: drafts, freed: 0 })
}

/** The bytes that a user stores. */
export async function storedBytesOf(database: Database, user_id: string): Promise<number> {
  const all = await readBytes(database, user_id)
  return all.values().reduce((sum, { total, freed }) => sum + Math.max(0, total - freed), 0)
}

export const overQuota = (quotaBytes: number): Fault =>
  new Fault('too_large', {
    detail: `Your account may store ${quotaBytes} bytes, and this would be more: purge conversations and drafts that you don’t need`,
    limit_bytes: quotaBytes,
    reason: 'full',
  })

export interface StorageQuotaDeps {
  database: Database
  quotaBytes: number
  /** Brings the documents, and the count of what has been removed, up to the head. */
  project: (head: TopicHead) => Promise<void>
}

export function createStorageQuota({
  database,
  quotaBytes,
  project,
}: StorageQuotaDeps): StorageQuota {
  const known = new Map<string, { at: number; bytes: Map<string, TopicBytes> }>()

  async function newBytes(user_id: string): Promise<Map<string, TopicBytes>> {
    const bytes = await readBytes(database, user_id)
    known.delete(user_id)
    known.set(user_id, { at: performance.now(), bytes })
    if (known.size > REMEMBERED) known.delete(known.keys().next().value!)
    return bytes
  }

  async function recentBytes(user_id: string): Promise<Map<string, TopicBytes>> {
    const found = known.get(user_id)
    return found && performance.now() - found.at < MAX_AGE_MS ? found.bytes : newBytes(user_id)
  }

  function fits(entry: ChangeDocument, head: TopicHead, bytes: Map<string, TopicBytes>): boolean {
    let sum = entry.total_bytes ?? 0
    for (const [key, { total, freed }] of bytes) sum += (key === head.key ? 0 : total) - freed
    return sum <= quotaBytes
  }

  return {
    async refusal(head, entry) {
      if (!refusedWhenFull(entry) || isServer(entry.actor)) return undefined
      if (fits(entry, head, await recentBytes(head.user_id))) return undefined
      await project(head)
      if (fits(entry, head, await newBytes(head.user_id))) return undefined
      return overQuota(quotaBytes)
    },
  }
}
