// Pure: what an imported piece changes. The ids of conversations and messages are the keys under which repeating an import changes nothing:
// what is there stays as its owner made it, what is missing is added.
//
// A conversation that doesn't fit into one change stays in the trash, marked, until its last piece is in: nobody ever finds half of one in
// the list, and an import that stopped is completed by repeating it.
import type { Run } from '@lockstep/protocol/agents'
import type { Decision, DecisionContext } from '@lockstep/protocol/change'
import {
  UNFINISHED,
  type Conversation,
  type ConversationChanges,
  type Summary,
} from '@lockstep/protocol/conversations'
import { checkLength, next, summaryOf } from '@lockstep/protocol/decide/conversations'
import { Fault } from '@lockstep/protocol/errors'
import { isObject, type JsonObject } from '@lockstep/protocol/free-form'
import type { Message } from '@lockstep/protocol/message'
import { isConversation, type HeldConversation } from '@lockstep/protocol/reduce/conversation'
import type { HeldRun } from '@lockstep/protocol/reduce/run'
import { previewOf } from '@lockstep/protocol/text'
import type { ImportedSummary } from '@lockstep/imports/reading/normalize'

export const isUnfinished = (held: HeldConversation): boolean =>
  isConversation(held) && UNFINISHED in held.metadata

export interface ConversationSlice {
  about: ImportedSummary
  messages: readonly Message[]
  /** More pieces follow. */
  more: boolean
}

/** `held` has those of the piece's messages that are there. Throws `id_taken` for what was purged. */
export function decideSlice(
  held: HeldConversation,
  piece: ConversationSlice,
  context: DecisionContext,
): Decision | undefined {
  if (held === undefined) return created(piece, context)
  if (!isConversation(held))
    throw new Fault('id_taken', { detail: 'It was here before and has been removed for ever' })
  if (held.deleted_at !== null && !isUnfinished(held)) return undefined // its owner threw it away
  const known = new Set(held.messages.map(({ id }) => id))
  const missing = piece.messages.filter(({ id }) => !known.has(id))
  if (missing.length === 0) return undefined
  checkLength(held.message_count + missing.length)
  const messages = missing.map((message, i) => ({
    ...message,
    position: held.message_count + 1 + i,
  }))
  const { message_count, preview, updated_at } = held
  const data: ConversationChanges['updated'] = {
    messages,
    message_count: message_count + messages.length,
    preview: previewOf(messages.at(-1)!.content),
    updated_at: piece.about.updated_at > updated_at ? piece.about.updated_at : updated_at,
  }
  return next(held, 'updated', data, { messages: [], message_count, preview, updated_at })
}

function created(
  { about, messages, more }: ConversationSlice,
  { user_id, at }: DecisionContext,
): Decision {
  const hidden = {
    metadata: { ...about.metadata, [UNFINISHED]: true },
    deleted_at: about.deleted_at ?? at,
  }
  const conversation: Conversation = {
    ...about,
    ...(more && hidden),
    ...{
      user_id,
      version: 1,
      message_count: messages.length,
      preview: previewOf(messages.at(-1)?.content ?? ''),
    },
    ...{ messages: [...messages], has_more: false },
  }
  return { op: 'created', entity_id: about.id, version: 1, data: { ...conversation } }
}

/** All pieces are in: takes the mark away, and the conversation out of the trash unless it was there before. */
export function decideCompletion(
  held: HeldConversation,
  { deleted_at }: ImportedSummary,
): Decision | undefined {
  if (!isConversation(held) || !isUnfinished(held)) return undefined
  const { [UNFINISHED]: _mark, ...metadata } = held.metadata
  const before = { metadata: held.metadata }
  if (deleted_at === null) {
    const restored: Summary = {
      ...summaryOf(held),
      metadata,
      deleted_at: null,
      version: held.version + 1,
    }
    return next(held, 'restored', restored, { ...before, deleted_at: held.deleted_at })
  }
  const { message_count, preview, updated_at } = held
  const data: ConversationChanges['updated'] = { metadata, message_count, preview, updated_at }
  return next(held, 'updated', data, {
    ...before,
    messages: [],
    message_count,
    preview,
    updated_at,
  })
}

export const decideRunImport = (
  held: HeldRun,
  run: Omit<Run, 'user_id' | 'version'>,
  { user_id }: DecisionContext,
): Decision | undefined =>
  held
    ? undefined
    : { op: 'created', entity_id: run.id, version: 1, data: { ...run, user_id, version: 1 } }

/** The patch that adds what `present` doesn't say; what it says stays. */
export function missingPreferences(present: JsonObject, imported: JsonObject): JsonObject {
  const patch: JsonObject = {}
  for (const [key, value] of Object.entries(imported)) {
    const held = Object.hasOwn(present, key) ? present[key] : undefined
    if (held === undefined) patch[key] = value
    else if (isObject(held) && isObject(value)) {
      const inner = missingPreferences(held, value)
      if (Object.keys(inner).length > 0) patch[key] = inner
    }
  }
  return patch
}
