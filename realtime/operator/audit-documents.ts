// Compares the documents of one user and topic with the fold of the log, one entity at a time.
// Where the log has lost its content (a purge, retention), only the version can be compared.
import { summaryOf } from '@lockstep/protocol/decide/conversations'
import { equalJson } from '@lockstep/protocol/free-form'
import {
  isConversation,
  reduceConversation,
  type HeldConversation,
} from '@lockstep/protocol/reduce/conversation'
import { noPreferences, reducePreferences } from '@lockstep/protocol/reduce/preferences'
import { reduceRecord, type HeldRecord } from '@lockstep/protocol/reduce/record'
import { reduceRun, type HeldRun } from '@lockstep/protocol/reduce/run'
import type { Topic } from '@lockstep/protocol/topics'
import { toChange } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import { readRun } from '../store/agent-runs.ts'
import { readEntity } from '../store/changes.ts'
import { readConversation, toSummary } from '../store/conversations.ts'
import type { Database } from '../store/database.ts'
import type { ChangeDocument } from '../store/documents.ts'
import { readMessagesInRange } from '../store/messages.ts'
import { readPreferences } from '../store/preferences.ts'
import { readRecord } from '../store/records.ts'
import { readAllMessages } from './read-all-messages.ts'

export interface DocumentsToAudit {
  user_id: string
  topic: Topic
  entity_ids: readonly string[]
}

interface DocumentFault {
  entity_id: string
  fault: string
}

/** Returns what is wrong, or undefined. `entries` are all of the entity's, at least one. */
type Check = (
  database: Database,
  user_id: string,
  id: string,
  entries: readonly ChangeDocument[],
) => Promise<string | undefined>

/** How often a comparison is tried: an entity may change while it is compared. */
const MAX_ATTEMPTS = 5

export async function* checkDocuments(
  database: Database,
  log: Log,
  { user_id, topic, entity_ids }: DocumentsToAudit,
): AsyncGenerator<DocumentFault> {
  const check = checks[topic]
  if (check === 'no projection') return
  for (const entity_id of entity_ids) {
    let fault: string | undefined
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      await log.projectToHead(user_id, topic)
      const entries = await readEntity(database, { user_id, topic, entity_id })
      fault = await check(database, user_id, entity_id, entries)
      if (fault === undefined) break
    }
    if (fault !== undefined) yield { entity_id, fault }
  }
}

/** No entry has lost its content. */
const isComplete = (entries: readonly ChangeDocument[]) =>
  entries.every(({ stripped }) => !stripped)
const DIFFERS = 'the document differs from the log'

const checkConversation: Check = async (database, user_id, id, entries) => {
  const last = entries.at(-1)!
  const document = await readConversation(database, user_id, id)
  if (!document) return 'there is no document'
  if (document.version !== last.version)
    return `the document has version ${document.version}, the log ${last.version}`
  if (last.op === 'purged' || 'purged' in document)
    return checkPurged(database, user_id, id, 'purged' in document)
  if (!isComplete(entries)) return undefined
  const folded = entries.map(toChange).reduce<HeldConversation>(reduceConversation, undefined)
  if (!isConversation(folded)) return DIFFERS
  const { messages } = folded
  if (!equalJson(summaryOf(folded), toSummary(document))) return DIFFERS
  return equalJson(messages, await readAllMessages(database, user_id, id))
    ? undefined
    : 'the messages differ from the log'
}

async function checkPurged(database: Database, user_id: string, id: string, isTombstone: boolean) {
  if (!isTombstone) return 'it is purged, but its document is there'
  const remaining = await readMessagesInRange(database, user_id, id, {
    after: 0,
    upTo: Number.MAX_SAFE_INTEGER,
    limit: 1,
  })
  return remaining.length > 0 ? 'it is purged, but it has messages' : undefined
}

const checkRun: Check = async (database, user_id, id, entries) => {
  const document = await readRun(database, user_id, id)
  if (!document) return 'there is no document'
  if (!isComplete(entries))
    return document.version === entries.at(-1)!.version ? undefined : 'the versions differ'
  return equalJson(document, entries.map(toChange).reduce<HeldRun>(reduceRun, undefined))
    ? undefined
    : DIFFERS
}

const checkRecord: Check = async (database, user_id, id, entries) => {
  const document = await readRecord(database, user_id, id)
  if (!document) return 'there is no document'
  // a deletion strips what was written before it
  const written = entries.slice(entries.findLastIndex(({ op }) => op === 'deleted') + 1)
  const isWhole = written.length > 0 && isComplete(written)
  if (!isWhole)
    return document.version === entries.at(-1)!.version ? undefined : 'the versions differ'
  const folded = written.map(toChange).reduce<HeldRecord>(reduceRecord, undefined)
  return equalJson(document, folded) ? undefined : DIFFERS
}

const checkPreferences: Check = async (database, user_id, _id, entries) => {
  const stored = await readPreferences(database, user_id)
  if (!stored) return 'there is no account'
  if (!isComplete(entries))
    return stored.version === entries.at(-1)!.version ? undefined : 'the versions differ'
  return equalJson(stored, entries.map(toChange).reduce(reducePreferences, noPreferences))
    ? undefined
    : DIFFERS
}

const checks: Record<Topic, Check | 'no projection'> = {
  conversations: checkConversation,
  agents: checkRun,
  preferences: checkPreferences,
  records: checkRecord,
  // its documents are not projected from the log, but written before it
  account: 'no projection',
}
