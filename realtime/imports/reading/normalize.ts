// Turns what a parser read into what the log accepts: ids that are the same in each import of the
// same thing, times in order, sizes within the limits, and slices of messages that each fit into
// one change. Everything that leaves this file is valid.
import * as z from 'zod'
import { Run } from '@lockstep/protocol/agents'
import { Summary } from '@lockstep/protocol/conversations'
import { DEFAULT_TITLE } from '@lockstep/protocol/decide/conversations'
import { checkTexts } from '@lockstep/protocol/decide/encryption'
import { Draft } from '@lockstep/protocol/drafts'
import { Fault } from '@lockstep/protocol/errors'
import { mergePatch, type JsonObject } from '@lockstep/protocol/free-form'
import type { ImportSource } from '@lockstep/protocol/import'
import { limits } from '@lockstep/protocol/limits'
import { Message } from '@lockstep/protocol/message'
import { compose, partsOf, replaceTexts } from '@lockstep/protocol/message-parts'
import { contentOf, exceededBy, type Composed } from '@lockstep/protocol/part-texts'
import type { Part } from '@lockstep/protocol/parts'
import { StoredRecord } from '@lockstep/protocol/records'
import { byteLength, firstCharacters } from '@lockstep/protocol/text'
import { whyInvalid, whyRefused } from '../parsing/failures.ts'
import type {
  FailedItem,
  ParsedConversation,
  ParsedItem,
  ParsedMessage,
} from '../parsing/parsed-item.ts'
import { isSecretName } from '../parsing/secrets.ts'
import { fitText } from './long-texts.ts'

/** A summary without the fields that depend on the account that receives the conversation. */
const ImportedSummary = Summary.omit({
  user_id: true,
  version: true,
  message_count: true,
  removed_count: true,
  preview: true,
})
export type ImportedSummary = z.infer<typeof ImportedSummary>

const ImportedRun = Run.omit({ user_id: true, version: true })
export type ImportedRun = z.infer<typeof ImportedRun>

const ImportedDraft = Draft.omit({ version: true })
export type ImportedDraft = z.infer<typeof ImportedDraft>

const ImportedRecord = StoredRecord.omit({ version: true })
export type ImportedRecord = z.infer<typeof ImportedRecord>

export type NormalizedItem =
  /** At least one slice. The messages of each fit into one change. Positions count from 1. */
  | {
      kind: 'conversation'
      summary: ImportedSummary
      slices: Message[][]
      /**
       * The names of what the conversation lacks. Secrets aren't named, because they are left out
       * on purpose.
       */
      missing: string[]
    }
  | { kind: 'preferences'; preferences: JsonObject }
  | { kind: 'run'; run: ImportedRun }
  | { kind: 'record'; record: ImportedRecord }
  | { kind: 'draft'; draft: ImportedDraft }
  | FailedItem

/**
 * The most bytes of messages in one slice: a change may have 4 MB, and holds more than messages.
 */
const SLICE_BYTES = limits.changeBytes * 0.75

/**
 * Where items come from. Users import from sources; operators also migrate a MongoDB collection.
 */
export type Origin = ImportSource | 'mongodb'

/** Derives a UUID from these parts: the same parts always give the same UUID. */
export type DeriveId = (...parts: string[]) => string

export interface NormalizeOptions {
  source: Origin
  /** The time of the import (ISO 8601), for items that have no time of their own. */
  now: string
  deriveId: DeriveId
}

/** An item that can't be made valid becomes a failed one. */
export function normalizeItem(item: ParsedItem, options: NormalizeOptions): NormalizedItem {
  if (item.kind === 'run') return normalizeRun(item.run)
  if (item.kind === 'record') return normalizeRecord(item.record)
  if (item.kind === 'draft') return normalizeDraft(item.draft)
  if (item.kind !== 'conversation') return item
  const { conversation } = item
  try {
    return normalizeConversation(conversation, options)
  } catch (error) {
    return { kind: 'failed', item: nameOf(conversation), ...whyUnreadable(error) }
  }
}

function whyUnreadable(error: unknown): Pick<FailedItem, 'reason' | 'code'> {
  if (error instanceof z.ZodError) return whyInvalid(error)
  if (error instanceof Fault) return whyRefused(error)
  return { reason: 'This could not be read', code: 'unreadable' }
}

const nameOf = ({ title, key }: ParsedConversation): string => firstCharacters(title || key, 100)

function normalizeConversation(
  parsed: ParsedConversation,
  { source, now, deriveId }: NormalizeOptions,
): NormalizedItem {
  const isOwn = source === 'lockstep'
  const idOf: IdOf = (key, copy) =>
    isOwn && copy === undefined
      ? key.toLowerCase()
      : deriveId('import', source, parsed.key, copy === undefined ? key : `${key} ${copy}`)
  const origin: JsonObject = isOwn
    ? {}
    : { imported_from: { source, id: firstCharacters(parsed.key, 200) } }
  const createdAt =
    parsed.created_at ?? parsed.messages.find(({ created_at }) => created_at)?.created_at ?? now
  const messages = z
    .array(Message)
    .max(limits.messagesPerConversation)
    .parse(normalizeMessages(parsed.messages, idOf, createdAt))
  const newest = messages.reduce(
    (latest, { created_at }) => (created_at > latest ? created_at : latest),
    createdAt,
  )
  const summary = ImportedSummary.parse({
    id: isOwn ? parsed.key.toLowerCase() : deriveId('import', source, parsed.key),
    title: parsed.encryption
      ? (parsed.title ?? DEFAULT_TITLE)
      : firstCharacters(parsed.title ?? DEFAULT_TITLE, limits.titleMax),
    metadata: mergePatch({}, { ...parsed.metadata, ...origin }),
    pinned: parsed.pinned ?? false,
    archived: parsed.archived ?? false,
    created_at: createdAt,
    updated_at: parsed.updated_at ?? newest,
    deleted_at: parsed.deleted_at ?? null,
    ...(parsed.encryption && { encryption: parsed.encryption }),
  })
  const { title, metadata } = summary
  checkTexts(summary, { title, metadata }, messages)
  const missing = isOwn ? [] : missingIn([summary, ...messages])
  return { kind: 'conversation', summary, slices: toSlices(messages), missing }
}

/** The most names that an import's result has of one item. */
const MAX_MISSING = 10

function missingIn(parts: readonly { metadata: JsonObject }[]): string[] {
  const names = new Set<string>()
  for (const { metadata } of parts)
    if (Array.isArray(metadata.not_imported))
      for (const name of metadata.not_imported)
        if (typeof name === 'string' && !isSecretName(name)) names.add(name)
  return [...names].slice(0, MAX_MISSING)
}

/** The id of a message by its key. `copy` tells messages with one key apart. */
type IdOf = (key: string, copy?: string) => string

/** A message without a time takes the time of the message before it. */
function normalizeMessages(
  parsed: readonly ParsedMessage[],
  idOf: IdOf,
  conversationCreatedAt: string,
): Message[] {
  const known = new Set<string>()
  const messages: Message[] = []
  let time = conversationCreatedAt
  for (const [index, { key, replaces, follows, ...message }] of parsed.entries()) {
    const id = known.has(idOf(key)) ? idOf(key, `${index}`) : idOf(key)
    const replaced = replaces === undefined ? undefined : idOf(replaces)
    const isReplacedKnown = replaced !== undefined && known.has(replaced)
    const followed = follows === undefined ? undefined : idOf(follows)
    const isFollowedKnown = followed !== undefined && known.has(followed)
    time = message.created_at ?? time
    known.add(id)
    const { pieces, lost } = fitText(message.content)
    for (const [n, content] of pieces.entries()) {
      const metadata = {
        ...(n === 0 ? withLost(message.metadata, lost) : {}),
        ...(pieces.length > 1 && { imported_part: { number: n + 1, of: pieces.length } }),
      }
      messages.push({
        id: n === 0 ? id : idOf(key, `${index} part ${n + 1}`),
        role: message.role,
        ...textsOf({ content, metadata }, n === 0 ? message.parts : undefined),
        position: messages.length + 1,
        version: 1,
        status: message.status === 'streaming' ? 'interrupted' : (message.status ?? 'complete'),
        replaces: n === 0 && isReplacedKnown ? replaced : null,
        ...(n === 0 && !isReplacedKnown && isFollowedKnown && { follows: followed }),
        created_at: time,
        updated_at: message.updated_at ?? time,
      })
    }
  }
  return messages
}

/** Parts that are too large stay in the metadata, as far as they fit there. */
function textsOf(texts: Composed, parts: readonly Part[] | undefined): Composed {
  const { content, metadata } = texts
  const plain = compose(metadata, partsOf(texts))
  if (!parts) return plain
  const all = content === contentOf(parts) ? parts : replaceTexts(parts, 'text', content)
  const composed = compose(metadata, all)
  return exceededBy(composed) ? plain : composed
}

function withLost(metadata: JsonObject, lost: readonly string[]): JsonObject {
  const merged = mergePatch({}, metadata)
  if (lost.length === 0) return merged
  const before = Array.isArray(merged.not_imported) ? merged.not_imported : []
  return { ...merged, not_imported: [...before, ...lost] }
}

/**
 * A slice has at most as many messages as a request may have: a larger change would hold up
 * everybody who waits for it.
 */
function toSlices(messages: readonly Message[]): Message[][] {
  const slices: Message[][] = [[]]
  let left = SLICE_BYTES
  for (const message of messages) {
    const bytes = byteLength(JSON.stringify(message))
    const { length } = slices.at(-1)!
    if (length === limits.messagesPerRequest || (bytes > left && length > 0)) {
      slices.push([])
      left = SLICE_BYTES
    }
    slices.at(-1)!.push(message)
    left -= bytes
  }
  return slices
}

function normalizeRun(value: unknown): NormalizedItem {
  const parsed = ImportedRun.safeParse(value)
  if (!parsed.success) return failed('run', parsed.error)
  const run = parsed.data
  const isUnfinished = run.status === 'queued' || run.status === 'running'
  const ended = { status: 'interrupted' as const, ended_at: run.ended_at ?? run.started_at }
  return { kind: 'run', run: { ...run, ...(isUnfinished && ended) } }
}

function normalizeRecord(value: unknown): NormalizedItem {
  const { success, data, error } = ImportedRecord.safeParse(value)
  return success ? { kind: 'record', record: data } : failed('record', error)
}

function normalizeDraft(value: unknown): NormalizedItem {
  const { success, data, error } = ImportedDraft.safeParse(value)
  return success ? { kind: 'draft', draft: data } : failed('draft', error)
}

function failed(what: 'run' | 'record' | 'draft', error: z.ZodError): FailedItem {
  return { kind: 'failed', item: what === 'run' ? 'agent run' : what, what, ...whyInvalid(error) }
}
