// LibreChat: one conversation per file. The messages are a list, in any order, in which each names
// its parent, or ("recursive") each message holds its `children`.
import { isObject } from '@lockstep/protocol/free-form'
import { assembleConversation } from '../parsing/assemble-conversation.ts'
import { parseConversations } from '../parsing/conversation-list.ts'
import { FieldReader, mergeFields } from '../parsing/field-reader.ts'
import { isRepeated, joinTexts, listOf, textOf, type Fields } from '../parsing/foreign-values.ts'
import { chainOriginals, type OriginalMessage } from '../parsing/original-message.ts'
import { labelOf } from '../parsing/message-labels.ts'
import type { ParsedConversation, ParseExport } from '../parsing/parsed-item.ts'
import { takePastedTexts } from '../parsing/pasted-texts.ts'
import { linksIn } from '../parsing/source-links.ts'
import { toolPartsIn } from '../parsing/tool-calls.ts'
import { readParts } from './content-parts.ts'

export const parseLibrechat: ParseExport = (data, first) =>
  parseConversations(data, parseConversation, first)

function parseConversation(fields: Fields): ParsedConversation | undefined {
  const reader = new FieldReader(fields)
  const list = reader.take(Array.isArray(fields.messages) ? 'messages' : 'messagesTree')
  const key = reader.takeText('conversationId')
  if (key === undefined || !Array.isArray(list)) return undefined
  const nested = [...nestedIn(list)]
  const known = new Set(nested.map(({ value }) => textOf(isObject(value) && value.messageId) ?? ''))
  const originals = nested.map(({ value, parent }, index) =>
    parseMessage(value, { parent, index, known, conversation: key }),
  )
  // these fields only say which form the list has
  reader.takeFlag('recursive', 'branches')
  const isTree = originals.some(({ parent }) => parent !== undefined)
  return assembleConversation({
    key,
    title: reader.takeTitle('title'),
    created_at: reader.takeTime('createdAt'),
    updated_at: reader.takeTime('updatedAt'),
    archived: reader.takeFlag('isArchived'),
    current: undefined,
    originals: isTree ? originals : chainOriginals(originals),
    rest: reader.rest(),
  })
}

interface Nested {
  value: unknown
  parent: string | undefined
}

/** Yields the messages of recursive lists depth first, without recursion. */
function* nestedIn(roots: readonly unknown[]): Iterable<Nested> {
  const stack: Nested[] = roots.map((value) => ({ value, parent: undefined })).reverse()
  let index = 0
  for (let next = stack.pop(); next; next = stack.pop()) {
    yield next
    const { value } = next
    const children: unknown = isObject(value) ? value.children : undefined
    const parent = keyOf(value, index++)
    if (Array.isArray(children))
      for (const child of children.toReversed()) stack.push({ value: child, parent })
  }
}

/** A message without an id has its number as its key. */
const keyOf = (value: unknown, index: number): string =>
  (isObject(value) ? textOf(value.messageId) : undefined) || `#${index}`

interface Place {
  /** The message that holds this one. */
  parent: string | undefined
  index: number
  /** The keys of all messages. */
  known: ReadonlySet<string>
  /** The key of the conversation. */
  conversation: string
}

function parseMessage(
  value: unknown,
  { parent, index, known, conversation }: Place,
): OriginalMessage {
  const message = new FieldReader(value)
  if (Array.isArray(message.peek('children'))) message.take('children')
  message.takeEqual('conversationId', conversation)
  const parts = readParts(message.take('content'))
  const typed = message.takeContent('text')
  const said = isRepeated(parts.text, typed) ? [typed] : [typed, parts.text]
  const files = ['files', 'attachments'].flatMap((name) => listOf(message.peek(name)))
  const label = labelOf(parts.others, files)
  const pasted = takePastedTexts(message, 'files', 'attachments')
  const isUser =
    typeof message.peek('isCreatedByUser') === 'boolean'
      ? message.takeFlag('isCreatedByUser')
      : textOf(message.peek('sender'))?.toLowerCase() === 'user'
  const isUnfinished = message.takeFlag('unfinished')
  const isFailed = message.takeFlag('error')
  message.takeText('messageId')
  const named = message.takeLink('parentMessageId', known)
  const original: Omit<OriginalMessage, 'rest'> = {
    key: keyOf(value, index),
    parent: parent ?? named,
    role: isUser ? 'user' : 'assistant',
    content: joinTexts([...said, ...pasted]),
    label,
    thinking: parts.thinking,
    thinkingName: 'content[].think',
    textName: 'text, content',
    thinking_ms: parts.thinking_ms,
    created_at: message.takeTime('createdAt'),
    updated_at: message.takeTime('updatedAt'),
    model: message.takeText('model'),
    status: isFailed ? 'failed' : isUnfinished ? 'interrupted' : undefined,
    tools: toolPartsIn(parts.others),
    sources: linksIn([message.peek('attachments'), message.peek('webSearch')]),
  }
  return {
    ...original,
    rest: mergeFields(['', { content: parts.rest }], ['message', message.rest()]),
  }
}
