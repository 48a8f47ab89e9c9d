// The documents of one user and topic against the fold of their log, an entity at a time. What the log no longer tells (purged, expired) can
// only be checked by version.
import type { Conversation } from '@lockstep/protocol/conversations'
import { equalJson } from '@lockstep/protocol/free-form'
import type { Message } from '@lockstep/protocol/message'
import {
  isConversation,
  reduceConversation,
  type HeldConversation,
} from '@lockstep/protocol/reduce/conversation'
import { noPreferences, reducePreferences } from '@lockstep/protocol/reduce/preferences'
import { reduceRun, type HeldRun } from '@lockstep/protocol/reduce/run'
import type { Topic } from '@lockstep/protocol/topics'
import { toChange } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import { readRun } from '../store/agent-runs.ts'
import { readEntity, type ChangeDocument } from '../store/changes.ts'
import { readConversation, toSummary } from '../store/conversations.ts'
import type { Database } from '../store/database.ts'
import { readMessagesInRange } from '../store/messages.ts'
import { readPreferences } from '../store/preferences.ts'

export interface DocumentsToAudit {
  user_id: string
  topic: Topic
  entity_ids: readonly string[]
}

interface DocumentFault {
  entity_id: string
  fault: string
}

type Check = (
  database: Database,
  user_id: string,
  id: string,
  entries: readonly ChangeDocument[],
) => Promise<string | undefined>

/** How often an entity is looked at again that changed while it was compared. */
const ATTEMPTS = 5

export async function* checkDocuments(
  database: Database,
  log: Log,
  { user_id, topic, entity_ids }: DocumentsToAudit,
): AsyncGenerator<DocumentFault> {
  const check = checks[topic]
  if (!check) return
  for (const entity_id of entity_ids) {
    let fault: string | undefined
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      await log.projectToHead(user_id, topic)
      const entries = await readEntity(database, { user_id, topic, entity_id })
      fault = await check(database, user_id, entity_id, entries)
      if (fault === undefined) break
    }
    if (fault !== undefined) yield { entity_id, fault }
  }
}

const isWhole = (entries: readonly ChangeDocument[]) => entries.every(({ stripped }) => !stripped)
const differs = "the document isn't what the log says"

const checkConversation: Check = async (database, user_id, id, entries) => {
  const last = entries.at(-1)!
  const document = await readConversation(database, user_id, id)
  if (!document) return 'there is no document'
  if (document.version !== last.version)
    return `the document has version ${document.version}, the log ${last.version}`
  if (last.op === 'purged' || 'purged' in document)
    return checkPurged(database, user_id, id, 'purged' in document)
  if (!isWhole(entries)) return undefined
  const folded = entries.map(toChange).reduce<HeldConversation>(reduceConversation, undefined)
  if (!isConversation(folded)) return differs
  const { messages, has_more: _hasMore, ...summary } = folded
  if (!equalJson(summary, toSummary(document))) return differs
  return equalJson(messages, await allMessages(database, folded))
    ? undefined
    : "the messages aren't what the log says"
}

async function checkPurged(database: Database, user_id: string, id: string, isTombstone: boolean) {
  if (!isTombstone) return 'it is purged, but its document is there'
  const left = await readMessagesInRange(database, user_id, id, {
    after: 0,
    upTo: Number.MAX_SAFE_INTEGER,
    limit: 1,
  })
  return left.length > 0 ? 'it is purged, but has messages' : undefined
}

const PAGE = 500

async function allMessages(database: Database, { user_id, id }: Conversation): Promise<Message[]> {
  const messages: Message[] = []
  for (;;) {
    const after = messages.at(-1)?.position ?? 0
    const page = await readMessagesInRange(database, user_id, id, {
      after,
      upTo: Number.MAX_SAFE_INTEGER,
      limit: PAGE,
    })
    messages.push(...page)
    if (page.length < PAGE) return messages
  }
}

const checkRun: Check = async (database, user_id, id, entries) => {
  const document = await readRun(database, user_id, id)
  if (!document) return 'there is no document'
  if (!isWhole(entries))
    return document.version === entries.at(-1)!.version ? undefined : 'the versions differ'
  return equalJson(document, entries.map(toChange).reduce<HeldRun>(reduceRun, undefined))
    ? undefined
    : differs
}

const checkPreferences: Check = async (database, user_id, _id, entries) => {
  const stored = await readPreferences(database, user_id)
  if (!stored) return 'there is no account'
  if (!isWhole(entries))
    return stored.version === entries.at(-1)!.version ? undefined : 'the versions differ'
  return equalJson(stored, entries.map(toChange).reduce(reducePreferences, noPreferences))
    ? undefined
    : differs
}

/** Accounts and sessions aren't projected: their documents come first. */
const checks: Partial<Record<Topic, Check>> = {
  conversations: checkConversation,
  agents: checkRun,
  preferences: checkPreferences,
}
