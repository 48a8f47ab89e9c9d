// Lockstep's own exports, one or a list of them.
import * as z from 'zod'
import { Run } from '@lockstep/protocol/agents'
import { Summary } from '@lockstep/protocol/conversations'
import { exportedLists, type ExportedList } from '@lockstep/protocol/exported-lists'
import { exceedsFreeForm, isObject, type JsonObject } from '@lockstep/protocol/free-form'
import { Message } from '@lockstep/protocol/message'
import { contentOf } from '@lockstep/protocol/part-texts'
import { Parts } from '@lockstep/protocol/parts'
import { FreeForm, Text } from '@lockstep/protocol/scalars'
import { nameOf, notThisSource } from '../parsing/conversation-list.ts'
import { whyInvalid } from '../parsing/failures.ts'
import { isEmpty, objectsOf, type Fields } from '../parsing/foreign-values.ts'
import { toMetadata } from '../parsing/metadata.ts'
import type { ParsedItem, ParseExport } from '../parsing/parsed-item.ts'

/** Another Lockstep may have had other limits. */
const ExportedMessage = Message.partial()
  .required({ id: true, role: true })
  .extend({ content: Text, parts: z.unknown().optional() })
  .loose()
const ExportedConversation = Summary.partial()
  .required({ id: true })
  .extend({ messages: z.array(ExportedMessage).default([]) })
  .loose()

/** The fields of an export. Those that describe the export itself aren't imported. */
const documentFields = new Set([
  'format',
  'version',
  'exported_at',
  'user',
  'preferences',
  ...exportedLists,
])
/** An export has at least one of these. */
const ownFields = ['preferences', ...exportedLists]
const messageFields = Object.keys(Message.shape)
const conversationFields = [...Object.keys(Summary.shape), 'messages', 'has_more']
const runFields = Object.keys(Run.shape)

export const parseLockstep: ParseExport = function* (data, first = 0) {
  const documents = objectsOf(data)
  if (documents.length === 0 && !Array.isArray(data)) throw notThisSource()
  const areExports = documents.some((document) => ownFields.some((name) => name in document))
  for (const document of areExports ? documents : [{ conversations: documents }]) {
    if (isObject(document.preferences)) yield parsePreferences(document.preferences)
    for (const name of exportedLists)
      for (const [index, item] of listIn(document, name).entries())
        yield parsers[name](item, first + index)
    for (const [name, value] of Object.entries(document))
      if (areExports && !documentFields.has(name) && !isEmpty(value))
        yield {
          kind: 'failed',
          item: name,
          reason: 'This version of Lockstep doesn’t know it',
          code: 'unknown_to_version',
        }
  }
}

const parsers: Record<ExportedList, (item: unknown, index: number) => ParsedItem> = {
  conversations: parseConversation,
  agent_runs: (run) => ({ kind: 'run', run: withUnknown(run) }),
  records: (record) => ({ kind: 'record', record }),
  drafts: (draft) => ({ kind: 'draft', draft }),
}

function listIn(document: Fields, name: string): unknown[] {
  const list = document[name] ?? []
  if (!Array.isArray(list)) throw notThisSource()
  return list
}

function parsePreferences(value: Fields): ParsedItem {
  const { success, data, error } = FreeForm.safeParse(value)
  if (success) return { kind: 'preferences', preferences: data }
  return { kind: 'failed', item: 'preferences', what: 'preferences', ...whyInvalid(error) }
}

function parseConversation(item: unknown, index: number): ParsedItem {
  const parsed = ExportedConversation.safeParse(item)
  if (!parsed.success)
    return { kind: 'failed', ...nameOf(item, index), ...whyInvalid(parsed.error) }
  const { id, title, created_at, updated_at, archived, pinned, deleted_at } = parsed.data
  const { metadata = {}, encryption, messages } = parsed.data
  return {
    kind: 'conversation',
    conversation: {
      key: id,
      title,
      created_at,
      updated_at,
      archived,
      pinned,
      deleted_at,
      ...(encryption && { encryption }),
      metadata: keepUnknown(metadata, parsed.data, conversationFields),
      messages: messages.map((message) => ({
        key: message.id,
        role: message.role,
        content: message.content,
        status: message.status,
        created_at: message.created_at,
        updated_at: message.updated_at,
        metadata: keepUnknown(message.metadata ?? {}, message, messageFields),
        ...partsIn(message),
        ...(message.replaces && { replaces: message.replaces }),
        ...(message.follows && { follows: message.follows }),
      })),
    },
  }
}

/** Parts of a newer version are left out: the message has its text and thinking without them. */
function partsIn({ parts, content }: z.infer<typeof ExportedMessage>) {
  const { success, data } = Parts.safeParse(parts)
  return success && contentOf(data) === content ? { parts: data } : undefined
}

/** Fields that this version doesn't know, such as those of a newer one, are kept as metadata. */
function keepUnknown(metadata: JsonObject, item: Fields, known: readonly string[]): JsonObject {
  const unknown = Object.fromEntries(Object.entries(item).filter(([name]) => !known.includes(name)))
  if (Object.keys(unknown).length === 0) return metadata
  const all = { ...toMetadata({}, unknown), ...metadata }
  return exceedsFreeForm(all) ? toMetadata({}, { ...unknown, ...metadata }) : all
}

function withUnknown(run: unknown): unknown {
  if (!isObject(run) || !isObject(run.metadata)) return run
  return { ...run, metadata: keepUnknown(run.metadata as JsonObject, run, runFields) }
}
