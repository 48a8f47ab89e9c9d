// Open WebUI: a list of chats. The messages of each are a tree in `chat.history`. `chat.messages`
// repeats the open thread as a list, and is all that older exports have.
import { equalJson, isObject } from '@lockstep/protocol/free-form'
import { assembleConversation } from '../parsing/assemble-conversation.ts'
import { parseConversations } from '../parsing/conversation-list.ts'
import { FieldReader, mergeFields } from '../parsing/field-reader.ts'
import { isEmpty, joinTexts, listOf, textOf, type Fields } from '../parsing/foreign-values.ts'
import { chainOriginals, type OriginalMessage } from '../parsing/original-message.ts'
import { labelOf } from '../parsing/message-labels.ts'
import type { ParsedConversation, ParseExport } from '../parsing/parsed-item.ts'
import { takePastedTexts } from '../parsing/pasted-texts.ts'
import { linksIn } from '../parsing/source-links.ts'
import { toolPartsIn } from '../parsing/tool-calls.ts'

export const parseOpenWebui: ParseExport = (data, first) =>
  parseConversations(data, parseConversation, first)

function parseConversation(fields: Fields): ParsedConversation | undefined {
  const outer = new FieldReader(fields)
  // older versions exported `chat` alone
  const isChatAlone = !isObject(fields.chat)
  const chat = isChatAlone ? outer : new FieldReader(outer.take('chat'))
  const history = new FieldReader(isObject(chat.peek('history')) ? chat.take('history') : {})
  const tree = messagesIn(history)
  const list: unknown = chat.peek('messages')
  if (tree.size === 0 && !Array.isArray(list)) return undefined
  chat.replace('messages', tree.size === 0 ? undefined : unrepeated(listOf(list), tree))
  const entries: [key: string, message: unknown][] =
    tree.size > 0 ? [...tree] : listOf(list).map((message, i) => [`#${i}`, message])
  const known = new Set(entries.map(([key, value]) => keyOf(value) ?? key))
  const originals = entries.map(([key, value]) => parseMessage(value, key, known))
  const isTree = originals.some(({ parent }) => parent !== undefined)
  const title = outer.takeTitle('title') ?? chat.takeTitle('title')
  chat.takeEqual('title', title)
  const key = outer.takeText('id') ?? chat.takeText('id')
  chat.takeEqual('id', key)
  return assembleConversation({
    key,
    title,
    created_at: outer.takeTime('created_at') ?? chat.takeTime('timestamp'),
    updated_at: outer.takeTime('updated_at'),
    archived: outer.takeFlag('archived'),
    pinned: outer.takeFlag('pinned'),
    current: history.takeLink('currentId', known),
    originals: isTree ? originals : chainOriginals(originals),
    rest: mergeFields(
      ['', chat.rest()],
      ['outer', isChatAlone ? {} : outer.rest()],
      ['history', history.rest()],
    ),
  })
}

const keyOf = (message: unknown): string | undefined =>
  (isObject(message) ? textOf(message.id) : undefined) || undefined

/** The messages of a history by their keys, without those that are null or empty. */
function messagesIn(history: FieldReader): Map<string, unknown> {
  const given = history.peek('messages')
  if (!isObject(given)) return new Map()
  history.take('messages')
  return new Map(Object.entries(given).filter(([, message]) => !isEmpty(message)))
}

/** What a list has that isn't in the tree: whole messages, or single fields of messages. */
function unrepeated(list: readonly unknown[], tree: ReadonlyMap<string, unknown>): unknown[] {
  return list.flatMap((message) => {
    const known = tree.get(keyOf(message) ?? '')
    if (!isObject(message) || !isObject(known)) return [message]
    const entries = Object.entries(message)
    const others = entries.filter(([name, value]) => !equalJson(value, known[name]))
    return others.length > 0 ? [{ id: message.id, ...Object.fromEntries(others) }] : []
  })
}

function parseMessage(value: unknown, key: string, known: ReadonlySet<string>): OriginalMessage {
  const message = new FieldReader(value)
  const id = message.takeText('id')
  const parent = message.takeLink('parentId', known)
  message.takeLinks('childrenIds', known)
  const typed = message.takeContent('content')
  const files = ['files', 'images', 'content', 'sources', 'tool_calls'].flatMap((name) =>
    listOf(message.peek(name)),
  )
  const label = labelOf(files)
  const pasted = takePastedTexts(message, 'files')
  const said = joinTexts([typed, ...pasted])
  const error = message.peek('error')
  const isFailed = error === true || !isEmpty(error)
  const original: Omit<OriginalMessage, 'rest'> = {
    key: id ?? key,
    parent,
    role: message.takeRole('role'),
    content: said === '' && isFailed ? message.takeContent('error') : said,
    label,
    thinking: takeThinking(message),
    thinkingName: 'reasoning_content',
    created_at: message.takeTime('timestamp'),
    model: message.takeText('model'),
    tools: toolPartsIn(message.peek('tool_calls')),
    sources: linksIn([message.peek('sources'), message.peek('citations')]),
    status: isFailed ? 'failed' : message.peek('done') === false ? 'interrupted' : undefined,
  }
  if (error === true) message.take('error')
  message.takeFlag('done')
  return { ...original, rest: message.rest() }
}

function takeThinking(message: FieldReader): string[] {
  const thinking = message.takeText('reasoning_content', 'reasoning', 'thinking')
  return thinking === undefined ? [] : [thinking]
}
