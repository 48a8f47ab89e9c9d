// From what a parser read to what can be written: ids that are the same in every import of the same thing, times in order, sizes within the
// limits, and pieces that each fit into one change. Whatever leaves here is valid.
import * as z from 'zod'
import { Run } from '@lockstep/protocol/agents'
import { Summary } from '@lockstep/protocol/conversations'
import { DEFAULT_TITLE } from '@lockstep/protocol/decide/conversations'
import { mergePatch, type JsonObject } from '@lockstep/protocol/free-form'
import { limits } from '@lockstep/protocol/limits'
import { Message } from '@lockstep/protocol/message'
import { byteLength, firstCharacters } from '@lockstep/protocol/text'
import type { ParsedItem, ParsedConversation, ParsedMessage } from '@lockstep/imports/imported'
import type { ImportSource } from '@lockstep/imports/sources'
import { derivedId } from '../../log/entry.ts'

/** A conversation without what only the account that gets it can say. */
const ImportedSummary = Summary.omit({ user_id: true, version: true, message_count: true, preview: true })
export type ImportedSummary = z.infer<typeof ImportedSummary>

export type NormalizedItem =
  /** At least one piece, each with messages at positions from 1 on that fit into one change. */
  | { kind: 'conversation'; about: ImportedSummary; pieces: Message[][] }
  | { kind: 'preferences'; preferences: JsonObject }
  | { kind: 'run'; run: Omit<Run, 'user_id' | 'version'> }
  | { kind: 'failed'; item: string; reason: string }

/** A change may have 4 MB; this leaves room for what else is in it. */
const PIECE_BYTES = limits.changeBytes * 0.75

/** Where something comes from: besides what users import themselves, what operators bring over from a database. */
export type Origin = ImportSource | 'mongodb'

/** @param now of the import, for what has no time at all */
export function normalizeItem(source: Origin, item: ParsedItem, now: string): NormalizedItem {
  if (item.kind === 'run') return readyRun(item.run)
  if (item.kind !== 'conversation') return item
  const { conversation } = item
  try {
    return readyConversation(source, conversation, now)
  } catch (error) {
    const issues = error instanceof z.ZodError ? error.issues : []
    const [{ path, message } = { path: [], message: 'This could not be read' }] = issues
    return {
      kind: 'failed',
      item: nameOf(conversation),
      reason: `${path.join('.')} ${message}`.trim(),
    }
  }
}

const nameOf = ({ title, key }: ParsedConversation): string => firstCharacters(title || key, 100)

function readyConversation(source: Origin, given: ParsedConversation, now: string): NormalizedItem {
  const idOf = (...keys: string[]) =>
    source === 'lockstep' ? keys.at(-1)!.toLowerCase() : derivedId('import', source, ...keys)
  const origin: JsonObject =
    source === 'lockstep' ? {} : { imported_from: { source, id: firstCharacters(given.key, 200) } }
  const began =
    given.created_at ?? given.messages.find(({ created_at }) => created_at)?.created_at ?? now
  const messages = z
    .array(Message)
    .max(limits.messagesPerConversation)
    .parse(readyMessages(given.messages, (key) => idOf(given.key, key), began))
  const newest = messages.reduce(
    (latest, { created_at }) => (created_at > latest ? created_at : latest),
    began,
  )
  const about = ImportedSummary.parse({
    id: idOf(given.key),
    title: firstCharacters(given.title ?? DEFAULT_TITLE, limits.titleMax),
    metadata: mergePatch({}, { ...given.metadata, ...origin }),
    pinned: given.pinned ?? false,
    archived: given.archived ?? false,
    created_at: began,
    updated_at: given.updated_at ?? newest,
    deleted_at: given.deleted_at ?? null,
  })
  return { kind: 'conversation', about, pieces: inPieces(messages) }
}

function readyMessages(
  given: readonly ParsedMessage[],
  idOf: (key: string) => string,
  began: string,
): Message[] {
  const known = new Set<string>()
  let time = began
  return given.map(({ key, replaces, metadata, ...message }, index) => {
    const id = idOf(known.has(idOf(key)) ? `${key} ${index}` : key)
    const replaced = replaces === undefined ? undefined : idOf(replaces)
    time = message.created_at ?? time
    const ready: Message = {
      ...{ id, role: message.role, content: message.content, position: index + 1, version: 1 },
      status: message.status === 'streaming' ? 'interrupted' : (message.status ?? 'complete'),
      replaces: replaced !== undefined && known.has(replaced) ? replaced : null,
      ...{
        created_at: time,
        updated_at: message.updated_at ?? time,
        metadata: mergePatch({}, metadata),
      },
    }
    known.add(id)
    return ready
  })
}

function inPieces(messages: readonly Message[]): Message[][] {
  const pieces: Message[][] = [[]]
  let room = PIECE_BYTES
  for (const message of messages) {
    const bytes = byteLength(JSON.stringify(message))
    if (bytes > room && pieces.at(-1)!.length > 0) {
      pieces.push([])
      room = PIECE_BYTES
    }
    pieces.at(-1)!.push(message)
    room -= bytes
  }
  return pieces
}

const PortableRun = Run.omit({ user_id: true, version: true })

function readyRun(value: unknown): NormalizedItem {
  const read = PortableRun.safeParse(value)
  if (!read.success) {
    const [{ path, message }] = read.error.issues as [z.core.$ZodIssue]
    return { kind: 'failed', item: 'agent run', reason: `${path.join('.')} ${message}` }
  }
  const run = read.data
  const goesOn = run.status === 'queued' || run.status === 'running'
  const ended = { status: 'interrupted' as const, ended_at: run.ended_at ?? run.started_at }
  return { kind: 'run', run: { ...run, ...(goesOn && ended) } }
}
