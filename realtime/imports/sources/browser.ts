// The app that Lockstep replaces: two values of a browser's localStorage. Not all shapes that these
// had over time are known. So every field without a counterpart is kept, as metadata of its
// conversation or message, or among the preferences.
import { isObject } from '@lockstep/protocol/free-form'
import { assembleConversation } from '../parsing/assemble-conversation.ts'
import { nameOf, notThisSource, parseItem } from '../parsing/conversation-list.ts'
import { FieldReader, mergeFields } from '../parsing/field-reader.ts'
import { firstOf, isEmpty, listOf, type Fields } from '../parsing/foreign-values.ts'
import { chainOriginals, type OriginalMessage } from '../parsing/original-message.ts'
import { labelOf } from '../parsing/message-labels.ts'
import { toMetadata } from '../parsing/metadata.ts'
import type { ParsedConversation, ParsedItem, ParseExport } from '../parsing/parsed-item.ts'

export const parseBrowser: ParseExport = function* (data, first = 0) {
  if (!isObject(data) || (data.conversations === undefined && data.config === undefined))
    throw notThisSource()
  const { list, otherFields } = findList(parseIfText(data.conversations))
  for (const [offset, item] of list.entries()) {
    const index = first + offset
    yield parseItem(item, index, () => parseListItem(item, index))
  }
  const config = parseIfText(data.config)
  const known = new Set(['conversations', 'config'])
  const others = Object.entries(data).filter(([name]) => !known.has(name))
  const preferences = toMetadata(
    {},
    mergeFields(
      ['', isObject(config) ? config : { ai_mcp_ui_config: config }],
      ['', { ai_chat_conversations: otherFields }],
      ['data', Object.fromEntries(others)],
    ),
  )
  if (Object.keys(preferences).length > 0) yield { kind: 'preferences', preferences }
}

/** localStorage holds text. The program that read the text may have parsed it already. */
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
    return { list, otherFields: fields }
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

/** The names that one kind of value has had. The first one present counts. */
const titleNames = ['title', 'name']
const createdNames = ['created_at', 'createdAt', 'created', 'timestamp', 'date', 'time']
const updatedNames = ['updated_at', 'updatedAt', 'updated', 'lastModified', 'last_updated']
const roleNames = ['role', 'sender', 'from', 'author', 'type']
const contentNames = ['content', 'text', 'message', 'body']

function parseListItem(item: unknown, index: number): ParsedItem {
  const messages = isObject(item) ? firstOf(item, 'messages', 'history') : undefined
  if (!isObject(item) || (messages !== undefined && !Array.isArray(messages)))
    return {
      kind: 'failed',
      ...nameOf(item, index),
      reason: 'This is not a conversation',
      code: 'not_a_conversation',
    }
  return { kind: 'conversation', conversation: parseConversation(item) }
}

function parseConversation(fields: Fields): ParsedConversation {
  const reader = new FieldReader(fields)
  const name = isEmpty(fields.messages) ? 'history' : 'messages'
  const list = listOf(reader.take(name))
  const created = firstOf(fields, ...createdNames)
  const title = reader.takeTitle(...titleNames)
  const originals = chainOriginals(list.map(parseMessage))
  const firstText = originals[0]?.content.slice(0, 200)
  return assembleConversation({
    key: reader.takeText('id') ?? JSON.stringify([title, created, firstText]),
    title,
    created_at: reader.takeTime(...createdNames),
    updated_at: reader.takeTime(...updatedNames),
    archived: reader.takeFlag('archived', 'isArchived'),
    pinned: reader.takeFlag('pinned', 'isPinned'),
    deleted_at: reader.takeTime('deleted_at', 'deletedAt'),
    originals,
    current: undefined,
    rest: withMetadata(reader),
  })
}

function parseMessage(value: unknown, index: number): OriginalMessage {
  const message = new FieldReader(isObject(value) ? value : { content: value })
  const content = message.takeContent(...contentNames)
  const files = ['attachments', 'files', 'images', 'tool_calls', 'toolCalls'].flatMap((name) =>
    listOf(message.peek(name)),
  )
  const original: Omit<OriginalMessage, 'rest'> = {
    key: message.takeText('id') ?? `#${index}`,
    role: message.takeRole(...roleNames),
    content,
    label:
      labelOf(files) ??
      (contentNames.some((name) => isObject(message.peek(name))) ? '[No text]' : undefined),
    created_at: message.takeTime(...createdNames),
    updated_at: message.takeTime(...updatedNames),
  }
  return { ...original, rest: withMetadata(message) }
}

/** The fields that nobody took, and the fields of `metadata`. */
function withMetadata(reader: FieldReader): Fields {
  const metadata = isObject(reader.peek('metadata')) ? reader.take('metadata') : {}
  return mergeFields(['', metadata as Fields], ['message', reader.rest()])
}
