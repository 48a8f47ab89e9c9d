// Claude: conversations.json, a list of conversations with `chat_messages`. In newer exports each
// message names the message that it answers.
import { isObject } from '@lockstep/protocol/free-form'
import { assembleConversation } from '../parsing/assemble-conversation.ts'
import { parseConversations } from '../parsing/conversation-list.ts'
import { FieldReader, mergeFields } from '../parsing/field-reader.ts'
import {
  isRepeated,
  joinTexts,
  listOf,
  roleOf,
  textOf,
  type Fields,
} from '../parsing/foreign-values.ts'
import { chainOriginals, type OriginalMessage } from '../parsing/original-message.ts'
import { labelOf } from '../parsing/message-labels.ts'
import type { ParsedConversation, ParseExport } from '../parsing/parsed-item.ts'
import { takePastedTexts } from '../parsing/pasted-texts.ts'
import { linksIn } from '../parsing/source-links.ts'
import { toolPartsIn } from '../parsing/tool-calls.ts'
import { readParts } from './content-parts.ts'

export const parseClaude: ParseExport = (data, first) =>
  parseConversations(data, parseConversation, first)

function parseConversation(fields: Fields): ParsedConversation | undefined {
  const reader = new FieldReader(fields)
  const key = reader.takeText('uuid')
  const list = reader.take('chat_messages')
  if (key === undefined || !Array.isArray(list)) return undefined
  const known = new Set(list.map((message) => textOf(isObject(message) && message.uuid) ?? ''))
  const originals = list.map((message, index) => parseMessage(message, index, known))
  const isTree = list.some((message) => isObject(message) && 'parent_message_uuid' in message)
  return assembleConversation({
    key,
    title: reader.takeTitle('name'),
    created_at: reader.takeTime('created_at'),
    updated_at: reader.takeTime('updated_at'),
    archived: reader.takeFlag('is_archived'),
    pinned: reader.takeFlag('is_starred'),
    current: reader.takeLink('current_leaf_message_uuid', known),
    originals: isTree ? originals : chainOriginals(originals),
    rest: reader.rest(),
  })
}

/** Stands in `text` for each part that isn't text. */
const placeholder = /```\nThis block is not supported on your current device yet\.\n```/g

function parseMessage(value: unknown, index: number, known: ReadonlySet<string>): OriginalMessage {
  const message = new FieldReader(value)
  const parts = readParts(message.peek('content'))
  const said = parts.text || message.takeContent('text')
  const repeated = (textOf(message.peek('text')) ?? '').replaceAll(placeholder, '')
  if (isRepeated(repeated, parts.text)) message.take('text')
  const files = [...listOf(message.peek('attachments')), ...listOf(message.peek('files'))]
  const label = labelOf(parts.others, files)
  const pasted = takePastedTexts(message, 'attachments', 'files')
  message.take('content')
  const sender = message.peek('sender')
  const role = isObject(sender) ? roleOf(sender.type) : message.takeRole('sender')
  const original = {
    key: message.takeText('uuid') ?? `#${index}`,
    parent: message.takeLink('parent_message_uuid', known),
    role: role ?? 'assistant',
    content: joinTexts([said, ...pasted]),
    label,
    thinking: parts.thinking,
    thinkingName: 'content[].thinking',
    thinking_ms: parts.thinking_ms,
    created_at: message.takeTime('created_at'),
    updated_at: message.takeTime('updated_at'),
    model: message.takeText('model'),
    tools: toolPartsIn(parts.others),
    sources: linksIn(parts.rest.map((part) => part.citations)),
  }
  return {
    ...original,
    rest: mergeFields(['', { content: parts.rest }], ['message', message.rest()]),
  }
}
