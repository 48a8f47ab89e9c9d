// Lockstep's own exports, one or a list of them: everything has the place that it had.
import * as z from 'zod'
import { isObject } from '@lockstep/protocol/free-form'
import { Message } from '@lockstep/protocol/message'
import { Summary } from '@lockstep/protocol/conversations'
import { FreeForm } from '@lockstep/protocol/scalars'
import type { ParsedItem, ParseExport } from './imported.ts'
import { nameOf, notThisSource, objectsOf } from './values.ts'

const Kept = Message.partial().required({ id: true, role: true, content: true })
const Conversation = Summary.partial()
  .required({ id: true })
  .extend({ messages: z.array(Kept).default([]) })

export const parseLockstep: ParseExport = function* (data, first = 0) {
  const documents = objectsOf(data)
  const areExports = documents.some(
    (one) => 'conversations' in one || 'preferences' in one || 'agent_runs' in one,
  )
  if (documents.length === 0 && !Array.isArray(data)) throw notThisSource()
  for (const one of areExports ? documents : [{ conversations: documents }]) {
    if (isObject(one.preferences)) yield readPreferences(one.preferences)
    for (const [index, item] of listIn(one, 'conversations').entries())
      yield readConversation(item, first + index)
    for (const run of listIn(one, 'agent_runs')) yield { kind: 'run', run }
  }
}

function listIn(document: Record<string, unknown>, name: string): unknown[] {
  const list = document[name] ?? []
  if (!Array.isArray(list)) throw notThisSource()
  return list
}

function readPreferences(value: Record<string, unknown>): ParsedItem {
  const { success, data, error } = FreeForm.safeParse(value)
  return success ? { kind: 'preferences', preferences: data } : failed('preferences', error)
}

function readConversation(item: unknown, index: number): ParsedItem {
  const read = Conversation.safeParse(item)
  if (!read.success) return failed(nameOf(item, index), read.error)
  const {
    id,
    messages,
    metadata = {},
    title,
    created_at,
    updated_at,
    archived,
    pinned,
    deleted_at,
  } = read.data
  const about = { title, created_at, updated_at, archived, pinned, deleted_at, metadata }
  const kept = messages.map(
    ({ id: key, replaces, metadata = {}, role, content, status, ...rest }) => ({
      ...{
        key,
        role,
        content,
        status,
        metadata,
        created_at: rest.created_at,
        updated_at: rest.updated_at,
      },
      ...(replaces && { replaces }),
    }),
  )
  return { kind: 'conversation', conversation: { key: id, ...about, messages: kept } }
}

const failed = (item: string, { issues }: z.ZodError): ParsedItem => ({
  kind: 'failed',
  item,
  reason: `${issues[0]!.path.join('.')} ${issues[0]!.message}`.trim(),
})
