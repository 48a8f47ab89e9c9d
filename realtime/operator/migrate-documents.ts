// Brings over conversations that are MongoDB documents with an embedded `messages` array. Each goes through the same parser, decisions and log as
// an import, so that a run that stopped is repeated and goes on; and each is read back and compared by hash with what it was made from.
import { createHash } from 'node:crypto'
import type { ImportedSummary, NormalizedItem } from '@lockstep/imports/reading/normalize'
import { normalizeItem } from '@lockstep/imports/reading/normalize'
import type { ImportUseCases } from '../commands/import/import.ts'
import type { Message } from '@lockstep/protocol/message'
import { parsers } from '@lockstep/imports/sources/parsers'
import { fingerprintOf } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import { readConversation, toSummary } from '../store/conversations.ts'
import type { Database } from '../store/database.ts'
import { readMessagesInRange } from '../store/messages.ts'
import { asOperator, findAccount } from './accounts.ts'

export interface DocumentMigration {
  /** Where the documents are: `{_id, user_id, title, messages, created_at, updated_at, metadata, …}`. */
  documents: AsyncIterable<Record<string, unknown>>
  /** Username or id of the account that gets what belonged to a `user_id`. */
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
  /** Read back and found equal in count and hash. */
  verified: number
  failed: { item: string; reason: string }[]
}

const PROGRESS = 100
const MESSAGES = 500

export async function migrateDocuments(
  { database, log, imports }: { database: Database; log: Log; imports: ImportUseCases },
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
  const accounts = new Map<string, string | undefined>()
  const now = new Date().toISOString()

  async function account(owner: string): Promise<string | undefined> {
    if (!accounts.has(owner))
      accounts.set(owner, (await findAccount(database, accountOf(owner)))?._id)
    return accounts.get(owner)
  }

  async function one(document: Record<string, unknown>): Promise<string | undefined> {
    const {
      _id,
      user_id: owner,
      ...fields
    } = JSON.parse(JSON.stringify(document)) as Record<string, unknown>
    const user_id = await account(String(owner))
    if (user_id === undefined) return `there is no account for user_id ${String(owner)}`
    const [read] = [...parsers.browser({ conversations: [{ ...fields, id: String(_id) }] })]
    const ready = normalizeItem('mongodb', read!, now)
    if (ready.kind !== 'conversation')
      return ready.kind === 'failed' ? ready.reason : 'this is not a conversation'
    const waiting: NormalizedItem[] = [ready]
    const done = await imports.importItems(asOperator(user_id), dry_run, () =>
      Promise.resolve(waiting.pop()),
    )
    result.created += done.created
    result.updated += done.updated
    result.skipped += done.skipped
    const messages = ready.pieces.flat()
    result.messages += messages.length
    if (done.failed[0]) return done.failed[0].reason
    if (dry_run) return undefined
    const fault = await compare(user_id, ready.about, messages)
    if (fault === undefined) result.verified++
    return fault
  }

  async function compare(
    user_id: string,
    about: ImportedSummary,
    expected: readonly Message[],
  ): Promise<string | undefined> {
    await log.projectToHead(user_id, 'conversations')
    const document = await readConversation(database, user_id, about.id)
    if (!document || 'purged' in document) return 'it was removed after it had been migrated'
    const stored = await storedMessages(user_id, about.id)
    if (stored.length !== expected.length)
      return `${expected.length} messages became ${stored.length}`
    const isEqual = hashOf(about, expected) === hashOf(toSummary(document), stored)
    return isEqual ? undefined : 'it has been changed since it was migrated'
  }

  async function storedMessages(user_id: string, id: string): Promise<Message[]> {
    const messages: Message[] = []
    for (;;) {
      const window = {
        after: messages.at(-1)?.position ?? 0,
        upTo: Number.MAX_SAFE_INTEGER,
        limit: MESSAGES,
      }
      const page = await readMessagesInRange(database, user_id, id, window)
      messages.push(...page)
      if (page.length < MESSAGES) return messages
    }
  }

  for await (const document of documents) {
    result.documents++
    const reason = await one(document)
    if (reason !== undefined) result.failed.push({ item: String(document._id), reason })
    if (result.documents % PROGRESS === 0) progress(result)
  }
  return result
}

/** Of everything that a migration has to keep, whatever the order of keys. */
function hashOf(about: ImportedSummary, messages: readonly Message[]): string {
  const { title, metadata, pinned, archived, created_at, updated_at, deleted_at } = about
  const hash = createHash('sha256')
  hash.update(
    fingerprintOf([title, metadata, pinned, archived, created_at, updated_at, deleted_at]),
  )
  for (const { version: _version, ...message } of messages) hash.update(fingerprintOf(message))
  return hash.digest('base64url')
}
