// ChatGPT: conversations.json, a list of conversations. The messages of each are a tree
// (`mapping`). Nodes whose message is empty, such as the root, only connect the tree.
import { isObject, type JsonObject } from '@lockstep/protocol/free-form'
import { parseConversations } from '../parsing/conversation-list.ts'
import { flattenTree, type TreeNode } from '../parsing/message-tree.ts'
import type { ParsedConversation, ParseExport } from '../parsing/parsed-item.ts'
import { toMetadata } from '../parsing/metadata.ts'
import {
  firstOf,
  objectsOf,
  partsText,
  roleOf,
  textOf,
  timeOf,
  type Fields,
} from '../parsing/foreign-values.ts'

export const parseChatgpt: ParseExport = (data, first) =>
  parseConversations(data, parseConversation, first)

const knownFields = [
  'mapping',
  'title',
  'create_time',
  'update_time',
  'is_archived',
  'current_node',
  'conversation_id',
  'id',
  'is_starred',
]

function parseConversation(fields: Fields): ParsedConversation | undefined {
  const { mapping } = fields
  const key = textOf(firstOf(fields, 'conversation_id', 'id'))
  if (!isObject(mapping)) return undefined
  const nodes = Object.entries(mapping).map(([node, value]) =>
    parseNode(node, isObject(value) ? value : {}),
  )
  const created_at = timeOf(fields.create_time)
  const messages = flattenTree(nodes, textOf(fields.current_node))
  return {
    key: key ?? `${created_at} ${messages[0]?.key}`,
    title: textOf(fields.title),
    created_at,
    updated_at: timeOf(fields.update_time),
    archived: fields.is_archived === true,
    pinned: fields.is_starred === true,
    metadata: toMetadata(fields, knownFields),
    messages,
  }
}

function parseNode(key: string, { message, parent }: Fields): TreeNode {
  const node = { key, parent: textOf(parent) }
  if (!isObject(message)) return { ...node, message: undefined }
  const { content, metadata } = parseContent(isObject(message.content) ? message.content : {})
  if (content === '' && Object.keys(metadata).length === 0) return { ...node, message: undefined }
  const author = isObject(message.author) ? message.author : {}
  return {
    ...node,
    message: {
      role: roleOf(author.role),
      content,
      created_at: timeOf(message.create_time),
      updated_at: timeOf(message.update_time),
      ...(message.status === 'in_progress' && { status: 'interrupted' as const }),
      metadata: { ...messageMetadata(message), ...metadata },
    },
  }
}

function messageMetadata(message: Fields): JsonObject {
  const given = isObject(message.metadata) ? message.metadata : {}
  const author = isObject(message.author) ? message.author : {}
  return toMetadata({
    model: given.model_slug,
    attachments: given.attachments,
    hidden: given.is_visually_hidden_from_conversation === true ? true : undefined,
    author: author.name,
    recipient: message.recipient === 'all' ? undefined : message.recipient,
  })
}

/** Reads content of any type. What isn't text (images, files) becomes metadata. */
function parseContent(content: Fields): { content: string; metadata: JsonObject } {
  const type = textOf(content.content_type) ?? 'text'
  const parts = Array.isArray(content.parts) ? (content.parts as unknown[]) : []
  const otherParts = objectsOf(parts).filter((part) => partsText(part) === '')
  const contentType = type === 'text' ? undefined : type
  const metadata = toMetadata({ content_type: contentType, parts: otherParts })
  switch (type) {
    case 'code':
      return { content: fenced(partsText(content.text), textOf(content.language)), metadata }
    case 'execution_output':
      return { content: fenced(partsText(content.text)), metadata }
    case 'thoughts': {
      const thoughts = objectsOf(content.thoughts).map((thought) =>
        partsText(firstOf(thought, 'content', 'summary')),
      )
      return { content: thoughts.join('\n\n'), metadata: thoughts.length > 0 ? metadata : {} }
    }
    case 'tether_quote':
      return {
        content: [partsText(content.title), partsText(content.url), partsText(content.text)]
          .filter(Boolean)
          .join('\n'),
        metadata,
      }
    default: {
      const text =
        parts.length > 0
          ? partsText(parts)
          : partsText(firstOf(content, 'text', 'result', 'content', 'user_instructions'))
      const isEmpty = text === '' && otherParts.length === 0
      return { content: text, metadata: isEmpty ? {} : metadata }
    }
  }
}

const fenced = (text: string, language = ''): string =>
  text === '' ? '' : `\`\`\`${language === 'unknown' ? '' : language}\n${text}\n\`\`\``
