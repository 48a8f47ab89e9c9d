// Pure decisions of an import. The ids of conversations and messages are derived from the source,
// so repeating an import finds what is there: that stays as its owner made it, and what is missing
// is added.
//
// A conversation that doesn't fit into one change is imported in slices. Until the last slice is
// in, the conversation lies in the trash with the mark `UNFINISHED`, so that no list ever shows
// half of it. If the import is interrupted, repeating it completes the conversation.
//
//   slice 1       `created`, in the trash and marked
//   later slices  `updated`, with the messages that are missing
//   completion    `restored` without the mark; or `updated`, if the source had it in the trash too
import { ItemTaken } from '@lockstep/imports/parsing/failures'
import type { ImportedRun, ImportedSummary } from '@lockstep/imports/reading/normalize'
import type { DecisionContext, DecisionOf } from '@lockstep/protocol/change'
import {
  UNFINISHED,
  type Conversation,
  type ConversationChanges,
  type Summary,
} from '@lockstep/protocol/conversations'
import { next, summaryOf, type ConversationDecision } from '@lockstep/protocol/decide/conversations'
import { checkLength } from '@lockstep/protocol/decide/messages'
import { equalJson, isObject, type JsonObject } from '@lockstep/protocol/free-form'
import type { Message } from '@lockstep/protocol/message'
import {
  isConversation,
  lastPosition,
  type HeldConversation,
} from '@lockstep/protocol/reduce/conversation'
import type { HeldRun } from '@lockstep/protocol/reduce/run'
import { previewIn } from '@lockstep/protocol/text'

export const isUnfinished = (held: HeldConversation): boolean =>
  isConversation(held) && UNFINISHED in held.metadata

export interface ConversationSlice {
  summary: ImportedSummary
  messages: readonly Message[]
  /** The conversation has other slices. */
  isPartial: boolean
}

/**
 * `held` needs only those of the slice's messages that the conversation already has. Throws
 * `id_taken` if the conversation was purged. Returns undefined if nothing is missing, or if its
 * owner moved it to the trash.
 */
export function decideSlice(
  held: HeldConversation,
  slice: ConversationSlice,
  context: DecisionContext,
): ConversationDecision | undefined {
  if (held === undefined) return decideCreation(slice, context)
  if (!isConversation(held))
    throw new ItemTaken('purged', 'An item with this id was here before and has been purged')
  if (held.deleted_at !== null && !isUnfinished(held)) return undefined
  if (!equalJson(held.encryption, slice.summary.encryption))
    throw new ItemTaken(
      'encrypted_differently',
      'An item with this id is here already, encrypted in another way',
    )
  const known = new Set([...held.messages, ...(held.removed ?? [])].map(({ id }) => id))
  const missing = slice.messages.filter(({ id }) => !known.has(id))
  if (missing.length === 0) return undefined
  checkLength(lastPosition(held) + missing.length)
  const messages = missing.map((message, i) => ({
    ...message,
    position: lastPosition(held) + 1 + i,
  }))
  const { message_count, preview, updated_at } = held
  const importedAt = slice.summary.updated_at
  const data: ConversationChanges['updated'] = {
    messages,
    message_count: message_count + messages.length,
    preview: previewIn(held, messages.at(-1)!.content),
    updated_at: importedAt > updated_at ? importedAt : updated_at,
  }
  const before = { messages: [], message_count, preview, updated_at }
  return { op: 'updated', ...next(held), data, before }
}

function decideCreation(
  { summary, messages, isPartial }: ConversationSlice,
  { user_id, at }: DecisionContext,
): ConversationDecision {
  const hidden = {
    metadata: { ...summary.metadata, [UNFINISHED]: true },
    deleted_at: summary.deleted_at ?? at,
  }
  const data: Conversation = {
    ...summary,
    ...(isPartial && hidden),
    user_id,
    version: 1,
    message_count: messages.length,
    preview: previewIn(summary, messages.at(-1)?.content ?? ''),
    messages: [...messages],
    has_more: false,
  }
  return { op: 'created', entity_id: summary.id, version: 1, data }
}

/**
 * Decides what follows the last slice: removes the mark, and takes the conversation out of the
 * trash unless it was in the trash in its source.
 */
export function decideCompletion(
  held: HeldConversation,
  { deleted_at }: ImportedSummary,
): ConversationDecision | undefined {
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
    return {
      op: 'restored',
      ...next(held),
      data: restored,
      before: { ...before, deleted_at: held.deleted_at },
    }
  }
  const { message_count, preview, updated_at } = held
  const data: ConversationChanges['updated'] = { metadata, message_count, preview, updated_at }
  return {
    op: 'updated',
    ...next(held),
    data,
    before: { ...before, messages: [], message_count, preview, updated_at },
  }
}

export const decideRunImport = (
  held: HeldRun,
  run: ImportedRun,
  { user_id }: DecisionContext,
): DecisionOf<'agents'> | undefined =>
  held
    ? undefined
    : { op: 'created', entity_id: run.id, version: 1, data: { ...run, user_id, version: 1 } }

/** The merge patch that adds the imported preferences that `present` doesn't have. */
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
