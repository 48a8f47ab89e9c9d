// The app that Lockstep replaces: two values of a browser's localStorage. Not all shapes that these
// had over time are known. So every field without a counterpart is kept, as metadata of its
// conversation or message, or among the preferences.
import { isObject } from '@lockstep/protocol/free-form'
import { nameOf, notThisSource, parseItem } from '../parsing/conversation-list.ts'
import {
  firstOf,
  partsText,
  roleOf,
  textOf,
  timeOf,
  type Fields,
} from '../parsing/foreign-values.ts'
import { toMetadata } from '../parsing/metadata.ts'
import type {
  ParsedConversation,
  ParsedItem,
  ParsedMessage,
  ParseExport,
} from '../parsing/parsed-item.ts'

export const parseBrowser: ParseExport = function* (data, first = 0) {
  if (!isObject(data) || (data.conversations === undefined && data.config === undefined))
    throw notThisSource()
  const { list, otherFields } = findList(parseIfText(data.conversations))
  for (const [offset, item] of list.entries()) {
    const index = first + offset
    yield parseItem(item, index, () => parseListItem(item, index))
  }
  const config = parseIfText(data.config)
  const preferences = toMetadata({
    ...(isObject(config) ? toMetadata(config) : { ai_mcp_ui_config: config }),
    ai_chat_conversations: otherFields,
  })
  if (Object.keys(preferences).length > 0) yield { kind: 'preferences', preferences }
}

/** localStorage holds text, which whoever read it may have parsed already. */
function parseIfText(value: unknown): unknown {
  if (typeof value !== 'string') return value
  try {
    return JSON.parse(value) as unknown
  } catch {
    return value
  }
}

interface FoundList {
  list: unknown[]
  /** The fields around the list. */
  otherFields?: unknown
}

/**
 * Finds the conversations: a list, an object that holds the list in a field, an object from id to
 * conversation, or any of these inside `state`, where state libraries put it.
 */
function findList(value: unknown, isInsideState = false): FoundList {
  if (value === undefined || value === null) return { list: [] }
  if (Array.isArray(value)) return { list: value }
  if (!isObject(value)) return { list: [value] }
  if (isObject(value.state) && !isInsideState) {
    const { state, ...aroundState } = value
    const { list, otherFields } = findList(state, true)
    const fields = { ...aroundState, ...(isObject(otherFields) && otherFields) }
    return { list, otherFields: toMetadata(fields) }
  }
  for (const name of ['conversations', 'chats', 'items'])
    if (typeof value[name] === 'object' && value[name] !== null) {
      const { [name]: inner, ...otherFields } = value
      return { list: Array.isArray(inner) ? inner : listFromMap(inner as Fields), otherFields }
    }
  if ('messages' in value) return { list: [value] }
  return { list: listFromMap(value) }
}

const listFromMap = (byId: Fields): unknown[] =>
  Object.entries(byId).map(([id, value]) =>
    isObject(value) ? { ...value, id: value.id ?? id } : value,
  )

const knownFields = [
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
/** The names that one kind of value has had. The first one present counts. */
const titleNames = ['title', 'name']
const createdNames = ['created_at', 'createdAt', 'created', 'timestamp', 'date', 'time']
const updatedNames = ['updated_at', 'updatedAt', 'updated', 'lastModified', 'last_updated']
const roleNames = ['role', 'sender', 'from', 'author', 'type']
const contentNames = ['content', 'text', 'message', 'body']

function parseListItem(item: unknown, index: number): ParsedItem {
  const messages = isObject(item) ? firstOf(item, 'messages', 'history') : undefined
  if (!isObject(item) || (messages !== undefined && !Array.isArray(messages)))
    return { kind: 'failed', item: nameOf(item, index), reason: 'This is not a conversation' }
  return {
    kind: 'conversation',
    conversation: parseConversation(item, (messages ?? []) as unknown[]),
  }
}

function parseConversation(fields: Fields, list: readonly unknown[]): ParsedConversation {
  const title = textOf(firstOf(fields, ...titleNames))
  const created = firstOf(fields, ...createdNames)
  const messages = list.map(parseMessage)
  return {
    key: textOf(fields.id) ?? JSON.stringify([title, created, messages[0]?.content.slice(0, 200)]),
    title,
    created_at: timeOf(created),
    updated_at: timeOf(firstOf(fields, ...updatedNames)),
    archived: firstOf(fields, 'archived', 'isArchived') === true,
    pinned: firstOf(fields, 'pinned', 'isPinned') === true,
    deleted_at: timeOf(firstOf(fields, 'deleted_at', 'deletedAt')),
    metadata: toMetadata({
      ...omit(fields, knownFields, titleNames, createdNames, updatedNames),
      ...(isObject(fields.metadata) ? fields.metadata : { metadata: fields.metadata }),
    }),
    messages,
  }
}

function parseMessage(value: unknown, index: number): ParsedMessage {
  const fields = isObject(value) ? value : { content: value }
  const content = partsText(firstOf(fields, ...contentNames))
  const role = firstOf(fields, ...roleNames)
  const consumed = [
    ...(content === '' ? [] : firstPresent(fields, contentNames)),
    ...(typeof role === 'string' ? firstPresent(fields, roleNames) : []),
  ]
  const { metadata } = fields
  return {
    key: textOf(fields.id) ?? `#${index}`,
    role: roleOf(role),
    content,
    created_at: timeOf(firstOf(fields, ...createdNames)),
    updated_at: timeOf(firstOf(fields, ...updatedNames)),
    metadata: toMetadata({
      ...omit(fields, ['id', 'metadata'], consumed, createdNames, updatedNames),
      ...(isObject(metadata) ? metadata : { metadata }),
    }),
  }
}

/** The first name whose field is present, or none. */
const firstPresent = (fields: Fields, names: readonly string[]): string[] =>
  names.filter((name) => fields[name] !== undefined && fields[name] !== null).slice(0, 1)

const omit = (fields: Fields, ...names: readonly (readonly string[])[]): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([name]) => !names.flat().includes(name)))
