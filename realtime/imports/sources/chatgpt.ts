// ChatGPT: conversations.json, a list of conversations. The messages of each are a tree
// (`mapping`). Nodes whose message is empty, such as the root, only connect the tree.
import { isObject } from '@lockstep/protocol/free-form'
import { assembleConversation } from '../parsing/assemble-conversation.ts'
import { parseConversations } from '../parsing/conversation-list.ts'
import { FieldReader, mergeFields } from '../parsing/field-reader.ts'
import { textOf, timeOf, type Fields } from '../parsing/foreign-values.ts'
import type { OriginalMessage } from '../parsing/original-message.ts'
import { labelOf } from '../parsing/message-labels.ts'
import type { ParsedConversation, ParseExport } from '../parsing/parsed-item.ts'
import { linksIn } from '../parsing/source-links.ts'
import { toolPartsIn } from '../parsing/tool-calls.ts'
import { readContent } from './chatgpt-content.ts'

export const parseChatgpt: ParseExport = (data, first) =>
  parseConversations(data, parseConversation, first)

function parseConversation(fields: Fields): ParsedConversation | undefined {
  const reader = new FieldReader(fields)
  const mapping = reader.take('mapping')
  if (!isObject(mapping)) return undefined
  const known = new Set(Object.keys(mapping))
  const key = reader.takeText('conversation_id', 'id')
  reader.takeEqual('id', key)
  // the time of pinning is kept among the rest
  const isPinned = timeOf(reader.peek('pinned_time')) !== undefined
  return assembleConversation({
    key,
    title: reader.takeTitle('title'),
    created_at: reader.takeTime('create_time'),
    updated_at: reader.takeTime('update_time'),
    archived: reader.takeFlag('is_archived'),
    pinned: reader.takeFlag('is_starred') || isPinned,
    current: reader.takeLink('current_node', known),
    originals: Object.entries(mapping).map(([node, value]) => parseNode(node, value, known)),
    rest: reader.rest(),
  })
}

function parseNode(key: string, value: unknown, known: ReadonlySet<string>): OriginalMessage {
  const node = new FieldReader(value)
  node.takeEqual('id', key)
  const parent = node.takeLink('parent', known)
  node.takeLinks('children', known)
  const given = node.peek('message')
  if (!isObject(given)) return { key, parent, role: 'system', content: '', rest: node.rest() }
  node.take('message')
  return { key, parent, ...parseMessage(key, given, node.rest()) }
}

function parseMessage(key: string, given: Fields, around: Fields): Omit<OriginalMessage, 'key'> {
  const message = new FieldReader(given)
  message.takeEqual('id', key)
  const author = readInner(message, 'author')
  const metadata = readInner(message, 'metadata')
  const content = readInner(message, 'content')
  const role = author.takeRole('role')
  const isFlaggedHidden = metadata.peek('is_visually_hidden_from_conversation') === true
  const isAnalysis = role === 'assistant' && message.peek('channel') === 'analysis'
  const { text, thinking, thinking_ms, label, isHidden } = readContent(content, metadata)
  const recipient = role === 'assistant' ? textOf(message.peek('recipient')) : undefined
  const isCall = recipient !== undefined && recipient !== 'all'
  // the shown text has code in a fence
  const input = textOf(content.peek('text')) ?? text
  const sources = ['content_references', 'citations', 'search_result_groups']
  return {
    role,
    content: isAnalysis ? '' : text,
    label: isAnalysis ? undefined : (label ?? labelOf(metadata.peek('attachments'))),
    // what tools say is never sent to a model, and may be too long for metadata
    isHidden: isHidden || (isFlaggedHidden && role !== 'tool'),
    thinking: isAnalysis && text !== '' ? [text] : thinking,
    thinkingName: isAnalysis ? 'content.parts' : 'content.thoughts',
    thinking_ms,
    created_at: message.takeTime('create_time'),
    updated_at: message.takeTime('update_time'),
    model: metadata.takeText('model_slug'),
    status: message.peek('status') === 'in_progress' ? 'interrupted' : undefined,
    tools: isCall ? toolPartsIn([{ type: 'tool_use', id: key, name: recipient, input }]) : [],
    sources: linksIn(sources.map((name) => metadata.peek(name))),
    rest: mergeFields(
      ['node', around],
      ['message', message.rest()],
      ['content', content.rest()],
      ['metadata', metadata.rest()],
      ['author', readAuthor(author)],
    ),
  }
}

/** Takes a field that is an object. */
function readInner(reader: FieldReader, name: string): FieldReader {
  const value = reader.peek(name)
  return new FieldReader(isObject(value) ? reader.take(name) : {})
}

function readAuthor(author: FieldReader): Fields {
  const name = author.takeText('name')
  const rest = author.rest()
  return {
    ...(name !== undefined && { author: name }),
    ...(Object.keys(rest).length > 0 && { author_fields: rest }),
  }
}
