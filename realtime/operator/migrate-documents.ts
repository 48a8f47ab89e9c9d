// Migrates conversations that are MongoDB documents with an embedded `messages` array. Each
// document goes through the same steps as an imported item (parser, decision, log). So a migration
// that was interrupted continues when it is repeated. Then the conversation is read back and
// compared with what was written, by hash.
import { createHash } from 'node:crypto'
import {
  normalizeItem,
  type ImportedSummary,
  type NormalizedItem,
} from '@lockstep/imports/reading/normalize'
import { parsers } from '@lockstep/imports/sources/parsers'
import type { Message } from '@lockstep/protocol/message'
import type { ImportUseCases } from '../commands/import/import.ts'
import { derivedId } from '../log/derived-id.ts'
import { fingerprintOf } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import { readConversation, toSummary } from '../store/conversations.ts'
import type { Database } from '../store/database.ts'
import { asOperator, findAccount } from './accounts.ts'
import { readAllMessages } from './read-all-messages.ts'

export interface DocumentMigration {
  /** `{_id, user_id, title, messages, created_at, updated_at, metadata, …}` */
  documents: AsyncIterable<Record<string, unknown>>
  /** Maps a document's `user_id` to the username or id of the account that receives it. */
  accountOf: (user_id: string) => string
  dry_run: boolean
  progress: (result: Readonly<MigrationResult>) => void
}

export interface MigrationResult {
  documents: number
  messages: number
  created: number
  updated: number
  skipped: number
  /** Conversations that were read back and found equal. */
  verified: number
  failed: { item: string; reason: string }[]
}

export interface MigrationDeps {
  database: Database
  log: Log
  imports: ImportUseCases
}

/** How many documents lie between two calls of `progress`. */
const PROGRESS_DOCUMENTS = 100

export async function migrateDocuments(
  { database, log, imports }: MigrationDeps,
  { documents, accountOf, dry_run, progress }: DocumentMigration,
): Promise<MigrationResult> {
  const result: MigrationResult = {
    documents: 0,
    messages: 0,
    created: 0,
    updated: 0,
    skipped: 0,
    verified: 0,
    failed: [],
  }
  const userIds = new Map<string, string | undefined>()
  const now = new Date().toISOString()

  async function findUserId(owner: string): Promise<string | undefined> {
    if (!userIds.has(owner))
      userIds.set(owner, (await findAccount(database, accountOf(owner)))?._id)
    return userIds.get(owner)
  }

  /** Returns why the document could not be migrated, or undefined if it was. */
  async function migrateOne(document: Record<string, unknown>): Promise<string | undefined> {
    const json = JSON.parse(JSON.stringify(document)) as Record<string, unknown>
    const { _id, user_id: owner, ...fields } = json
    const user_id = await findUserId(String(owner))
    if (user_id === undefined) return `there is no account for user_id ${String(owner)}`
    const [parsed] = [...parsers.browser({ conversations: [{ ...fields, id: String(_id) }] })]
    const item = normalizeItem(parsed!, { source: 'mongodb', now, deriveId: derivedId })
    if (item.kind !== 'conversation')
      return item.kind === 'failed' ? item.reason : 'this is not a conversation'
    const items: NormalizedItem[] = [item]
    const next = () => Promise.resolve(items.pop())
    const imported = await imports.importItems(asOperator(user_id), dry_run, next)
    result.created += imported.created
    result.updated += imported.updated
    result.skipped += imported.skipped
    const messages = item.slices.flat()
    result.messages += messages.length
    if (imported.failed[0]) return imported.failed[0].reason
    if (dry_run) return undefined
    const fault = await verify(user_id, item.summary, messages)
    if (fault === undefined) result.verified++
    return fault
  }

  async function verify(
    user_id: string,
    summary: ImportedSummary,
    expected: readonly Message[],
  ): Promise<string | undefined> {
    await log.projectToHead(user_id, 'conversations')
    const document = await readConversation(database, user_id, summary.id)
    if (!document || 'purged' in document) return 'it was purged after it had been migrated'
    const stored = await readAllMessages(database, user_id, summary.id)
    if (stored.length !== expected.length)
      return `it has ${stored.length} messages instead of ${expected.length}`
    const isEqual = hashOf(summary, expected) === hashOf(toSummary(document), stored)
    return isEqual ? undefined : 'it has been changed since it was migrated'
  }

  for await (const document of documents) {
    result.documents++
    const reason = await migrateOne(document)
    if (reason !== undefined) result.failed.push({ item: String(document._id), reason })
    if (result.documents % PROGRESS_DOCUMENTS === 0) progress(result)
  }
  return result
}

/** The hash of everything that a migration has to keep. The order of keys doesn't count. */
function hashOf(summary: ImportedSummary, messages: readonly Message[]): string {
  const { title, metadata, pinned, archived, created_at, updated_at, deleted_at } = summary
  const hash = createHash('sha256')
  hash.update(
    fingerprintOf([title, metadata, pinned, archived, created_at, updated_at, deleted_at]),
  )
  for (const { version: _version, ...message } of messages) hash.update(fingerprintOf(message))
  return hash.digest('base64url')
}
