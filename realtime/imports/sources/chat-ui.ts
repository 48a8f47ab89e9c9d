// chat-ui: conversations as its MongoDB stores them, in plain or extended JSON, or the trace of one
// conversation that its page exports. Each message names all of its `ancestors`.
import { isObject } from '@lockstep/protocol/free-form'
import { assembleConversation } from '../parsing/assemble-conversation.ts'
import { parseConversations } from '../parsing/conversation-list.ts'
import { FieldReader, mergeFields } from '../parsing/field-reader.ts'
import { listOf, textOf, type Fields } from '../parsing/foreign-values.ts'
import { chainOriginals, type OriginalMessage } from '../parsing/original-message.ts'
import { labelOf } from '../parsing/message-labels.ts'
import type { ParsedConversation, ParseExport } from '../parsing/parsed-item.ts'
import { linksIn } from '../parsing/source-links.ts'
import { toolPartsIn } from '../parsing/tool-calls.ts'

export const parseChatUi: ParseExport = (data, first) =>
  parseConversations(data, parseConversation, first)

function parseConversation(fields: Fields): ParsedConversation | undefined {
  const isTrace = isObject(fields.conversation) && !Array.isArray(fields.messages)
  const trace = new FieldReader(isTrace ? fields : {})
  const reader = new FieldReader(isTrace ? trace.take('conversation') : fields)
  const list = reader.take('messages')
  if (!Array.isArray(list)) return undefined
  const known = new Set(list.map((message) => textOf(isObject(message) && message.id) ?? ''))
  const originals = list.map((message, index) => parseMessage(message, index, known))
  // older conversations are plain lists
  const isTree = originals.some(({ parent }) => parent !== undefined)
  const key = reader.takeText('_id', 'id')
  reader.takeLink('rootMessageId', known)
  return assembleConversation({
    key,
    title: reader.takeTitle('title'),
    created_at: reader.takeTime('createdAt'),
    updated_at: reader.takeTime('updatedAt'),
    current: undefined,
    originals: isTree ? originals : chainOriginals(originals),
    rest: mergeFields(['', reader.rest()], ['trace', isTrace ? trace.rest() : {}]),
  })
}

function parseMessage(value: unknown, index: number, known: ReadonlySet<string>): OriginalMessage {
  const message = new FieldReader(value)
  const parent = message.takeLinks('ancestors', known).at(-1)
  message.takeLinks('children', known)
  const content = message.takeContent('content')
  const thinking = message.takeText('reasoning')
  const updates = listOf(message.peek('updates'))
  message.replace('updates', unrepeated(updates, content, thinking ?? ''))
  const files = listOf(message.peek('files'))
  const original: Omit<OriginalMessage, 'rest'> = {
    key: message.takeText('id') ?? `#${index}`,
    parent,
    role: message.takeRole('from', 'role'),
    content,
    label: labelOf(files) ?? (files.length > 0 ? '[File]' : labelOf(updates.filter(isTool))),
    thinking: thinking === undefined ? [] : [thinking],
    thinkingName: 'reasoning',
    created_at: message.takeTime('createdAt'),
    updated_at: message.takeTime('updatedAt'),
    status: message.takeFlag('interrupted') ? 'interrupted' : undefined,
    tools: toolPartsIn(updates.filter(isTool)),
    sources: linksIn([message.peek('webSearch'), updates]),
  }
  return { ...original, rest: message.rest() }
}

const isTool = (update: unknown): boolean => isObject(update) && update.type === 'tool'

/** The steps in which a message was written, without those that repeat its text or thinking. */
function unrepeated(updates: readonly unknown[], content: string, thinking: string): unknown[] {
  const kinds: [type: string, text: string][] = [
    ['stream', content],
    ['finalAnswer', content],
    ['reasoning', thinking],
  ]
  let left = updates
  for (const [type, text] of kinds) {
    const isKind = (update: unknown): update is Fields =>
      isObject(update) && update.type === type && Object.keys(update).every(isTextField)
    const said = left
      .filter(isKind)
      .map(({ token, text: whole }) => (textOf(token) ?? '') + (textOf(whole) ?? ''))
    if (text.includes(said.join('').trim())) left = left.filter((update) => !isKind(update))
  }
  return [...left]
}

const isTextField = (name: string): boolean => ['type', 'subtype', 'token', 'text'].includes(name)
