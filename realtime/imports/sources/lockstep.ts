// Lockstep's own exports, one or a list of them.
import * as z from 'zod'
import { Summary } from '@lockstep/protocol/conversations'
import { isObject } from '@lockstep/protocol/free-form'
import { Message } from '@lockstep/protocol/message'
import { FreeForm } from '@lockstep/protocol/scalars'
import { nameOf, notThisSource } from '../parsing/conversation-list.ts'
import { objectsOf, type Fields } from '../parsing/foreign-values.ts'
import type { ParsedItem, ParseExport } from '../parsing/parsed-item.ts'

const ExportedMessage = Message.partial().required({ id: true, role: true, content: true })
const ExportedConversation = Summary.partial()
  .required({ id: true })
  .extend({ messages: z.array(ExportedMessage).default([]) })

export const parseLockstep: ParseExport = function* (data, first = 0) {
  const documents = objectsOf(data)
  if (documents.length === 0 && !Array.isArray(data)) throw notThisSource()
  const areExports = documents.some(
    (document) =>
      'conversations' in document || 'preferences' in document || 'agent_runs' in document,
  )
  for (const document of areExports ? documents : [{ conversations: documents }]) {
    if (isObject(document.preferences)) yield parsePreferences(document.preferences)
    for (const [index, item] of listIn(document, 'conversations').entries())
      yield parseConversation(item, first + index)
    for (const run of listIn(document, 'agent_runs')) yield { kind: 'run', run }
  }
}

function listIn(document: Fields, name: string): unknown[] {
  const list = document[name] ?? []
  if (!Array.isArray(list)) throw notThisSource()
  return list
}

function parsePreferences(value: Fields): ParsedItem {
  const { success, data, error } = FreeForm.safeParse(value)
  return success ? { kind: 'preferences', preferences: data } : failed('preferences', error)
}

function parseConversation(item: unknown, index: number): ParsedItem {
  const parsed = ExportedConversation.safeParse(item)
  if (!parsed.success) return failed(nameOf(item, index), parsed.error)
  const { id, title, created_at, updated_at, archived, pinned, deleted_at } = parsed.data
  const { metadata = {}, messages } = parsed.data
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
      metadata,
      messages: messages.map((message) => ({
        key: message.id,
        role: message.role,
        content: message.content,
        status: message.status,
        created_at: message.created_at,
        updated_at: message.updated_at,
        metadata: message.metadata ?? {},
        ...(message.replaces && { replaces: message.replaces }),
        ...(message.follows && { follows: message.follows }),
      })),
    },
  }
}

const failed = (item: string, { issues }: z.ZodError): ParsedItem => ({
  kind: 'failed',
  item,
  reason: `${issues[0]!.path.join('.')} ${issues[0]!.message}`.trim(),
})
