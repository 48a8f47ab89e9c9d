// The app that Lockstep replaces: two values of a browser's localStorage. Nobody knows all shapes that they have had, so whatever has no
// place of its own is kept: as metadata of its conversation or message, or among the preferences.
import { isObject } from '@lockstep/protocol/free-form'
import type { ParsedItem, ParsedConversation, ParsedMessage, ParseExport } from './imported.ts'
import { toMetadata } from './kept.ts'
import {
  firstOf,
  nameOf,
  notThisSource,
  partsText,
  readItem,
  roleOf,
  textOf,
  timeOf,
  type Fields,
} from './values.ts'

export const parseBrowser: ParseExport = function* (data, first = 0) {
  if (!isObject(data) || (data.conversations === undefined && data.config === undefined))
    throw notThisSource()
  const { list, beside } = listIn(unpacked(data.conversations))
  for (const [place, item] of list.entries())
    yield readItem(item, first + place, () => readOne(item, first + place))
  const config = unpacked(data.config)
  const preferences = toMetadata({
    ...(isObject(config) ? toMetadata(config) : { ai_mcp_ui_config: config }),
    ai_chat_conversations: beside,
  })
  if (Object.keys(preferences).length > 0) yield { kind: 'preferences', preferences }
}

/** localStorage holds text; whoever read it may have parsed it already. */
function unpacked(value: unknown): unknown {
  if (typeof value !== 'string') return value
  try {
    return JSON.parse(value) as unknown
  } catch {
    return value
  }
}

/** A list; or an object that has it as a field, as state libraries store it (`isState`); or an object from id to conversation. */
function listIn(value: unknown, isState = false): { list: unknown[]; beside?: unknown } {
  if (value === undefined || value === null) return { list: [] }
  if (Array.isArray(value)) return { list: value }
  if (!isObject(value)) return { list: [value] }
  if (isObject(value.state) && !isState) {
    const { state, ...around } = value
    const { list, beside } = listIn(state, true)
    return { list, beside: toMetadata({ ...around, ...(isObject(beside) && beside) }) }
  }
  for (const name of ['conversations', 'chats', 'items'])
    if (typeof value[name] === 'object' && value[name] !== null) {
      const { [name]: inner, ...beside } = value
      return { list: Array.isArray(inner) ? inner : entriesOf(inner as Fields), beside }
    }
  if ('messages' in value) return { list: [value] }
  return { list: entriesOf(value) }
}

const entriesOf = (byId: Fields): unknown[] =>
  Object.entries(byId).map(([id, value]) =>
    isObject(value) ? { ...value, id: value.id ?? id } : value,
  )

const ownFields = [
  'id',
  'messages',
  'history',
  'metadata',
  'archived',
  'isArchived',
  'pinned',
  'isPinned',
  'deleted_at',
  'deletedAt',
]
const titles = ['title', 'name']
const createds = ['created_at', 'createdAt', 'created', 'timestamp', 'date', 'time']
const updateds = ['updated_at', 'updatedAt', 'updated', 'lastModified', 'last_updated']
const speakers = ['role', 'sender', 'from', 'author', 'type']
const texts = ['content', 'text', 'message', 'body']

function readOne(item: unknown, index: number): ParsedItem {
  const messages = isObject(item) ? firstOf(item, 'messages', 'history') : undefined
  if (!isObject(item) || (messages !== undefined && !Array.isArray(messages)))
    return { kind: 'failed', item: nameOf(item, index), reason: 'This is not a conversation' }
  return {
    kind: 'conversation',
    conversation: readConversation(item, (messages ?? []) as unknown[]),
  }
}

function readConversation(fields: Fields, list: readonly unknown[]): ParsedConversation {
  const [title, created] = [textOf(firstOf(fields, ...titles)), firstOf(fields, ...createds)]
  const messages = list.map(readMessage)
  const [archived, pinned] = [
    firstOf(fields, 'archived', 'isArchived'),
    firstOf(fields, 'pinned', 'isPinned'),
  ]
  return {
    key: textOf(fields.id) ?? JSON.stringify([title, created, messages[0]?.content.slice(0, 200)]),
    title,
    created_at: timeOf(created),
    updated_at: timeOf(firstOf(fields, ...updateds)),
    archived: archived === true,
    pinned: pinned === true,
    deleted_at: timeOf(firstOf(fields, 'deleted_at', 'deletedAt')),
    metadata: toMetadata({
      ...without(fields, ownFields, titles, createds, updateds),
      ...(isObject(fields.metadata) ? fields.metadata : { metadata: fields.metadata }),
    }),
    messages,
  }
}

function readMessage(value: unknown, index: number): ParsedMessage {
  const fields = isObject(value) ? value : { content: value }
  const content = partsText(firstOf(fields, ...texts))
  const speaker = firstOf(fields, ...speakers)
  const read = [
    ...(content === '' ? [] : presentOf(fields, texts)),
    ...(typeof speaker === 'string' ? presentOf(fields, speakers) : []),
  ]
  const { metadata } = fields
  return {
    key: textOf(fields.id) ?? `#${index}`,
    role: roleOf(speaker),
    content,
    created_at: timeOf(firstOf(fields, ...createds)),
    updated_at: timeOf(firstOf(fields, ...updateds)),
    metadata: toMetadata({
      ...without(fields, ['id', 'metadata'], read, createds, updateds),
      ...(isObject(metadata) ? metadata : { metadata }),
    }),
  }
}

/** The one of these fields that counts; what else is there is kept. */
const presentOf = (fields: Fields, names: readonly string[]): string[] =>
  names.filter((name) => fields[name] !== undefined && fields[name] !== null).slice(0, 1)

const without = (fields: Fields, ...names: readonly (readonly string[])[]): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([name]) => !names.flat().includes(name)))
