// ChatGPT: conversations.json, a list of conversations whose messages are a tree (`mapping`). Messages that say and hold nothing, such as
// its root, only hold the tree together.
import { isObject, type JsonObject } from '@lockstep/protocol/free-form'
import { flattenTree, type TreeNode } from './branches.ts'
import type { ParsedConversation, ParseExport } from './imported.ts'
import { toMetadata } from './kept.ts'
import {
  conversationsIn,
  firstOf,
  objectsOf,
  partsText,
  roleOf,
  textOf,
  timeOf,
  type Fields,
} from './values.ts'

export const parseChatgpt: ParseExport = (data, first) => conversationsIn(data, readConversation, first)

const known = [
  'mapping',
  'title',
  'create_time',
  'update_time',
  'is_archived',
  'current_node',
  'conversation_id',
  'id',
]

function readConversation(fields: Fields): ParsedConversation | undefined {
  const { mapping } = fields
  const key = textOf(firstOf(fields, 'conversation_id', 'id'))
  if (!isObject(mapping)) return undefined
  const nodes = Object.entries(mapping).map(([node, value]) =>
    readNode(node, isObject(value) ? value : {}),
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
    metadata: toMetadata(fields, [...known, 'is_starred']),
    messages,
  }
}

function readNode(key: string, { message, parent }: Fields): TreeNode {
  const node = { key, parent: textOf(parent) }
  if (!isObject(message)) return { ...node, message: undefined }
  const { content, held } = readContent(isObject(message.content) ? message.content : {})
  const metadata = { ...aboutMessage(message), ...held }
  if (content === '' && Object.keys(held).length === 0) return { ...node, message: undefined }
  const author = isObject(message.author) ? message.author : {}
  return {
    ...node,
    message: {
      role: roleOf(author.role),
      content,
      created_at: timeOf(message.create_time),
      updated_at: timeOf(message.update_time),
      ...(message.status === 'in_progress' && { status: 'interrupted' as const }),
      metadata,
    },
  }
}

function aboutMessage(message: Fields): JsonObject {
  const about = isObject(message.metadata) ? message.metadata : {}
  const author = isObject(message.author) ? message.author : {}
  return toMetadata({
    model: about.model_slug,
    attachments: about.attachments,
    hidden: about.is_visually_hidden_from_conversation === true ? true : undefined,
    author: author.name,
    recipient: message.recipient === 'all' ? undefined : message.recipient,
  })
}

/** The text of any type of content, and what it holds besides (images, files). */
function readContent(content: Fields): { content: string; held: JsonObject } {
  const type = textOf(content.content_type) ?? 'text'
  const parts = Array.isArray(content.parts) ? (content.parts as unknown[]) : []
  const things = objectsOf(parts).filter((part) => partsText(part) === '')
  const held = toMetadata({ content_type: type === 'text' ? undefined : type, parts: things })
  switch (type) {
    case 'code':
      return { content: fenced(partsText(content.text), textOf(content.language)), held }
    case 'execution_output':
      return { content: fenced(partsText(content.text)), held }
    case 'thoughts': {
      const thoughts = objectsOf(content.thoughts).map((one) =>
        partsText(firstOf(one, 'content', 'summary')),
      )
      return { content: thoughts.join('\n\n'), held: thoughts.length > 0 ? held : {} }
    }
    case 'tether_quote':
      return {
        content: [partsText(content.title), partsText(content.url), partsText(content.text)]
          .filter(Boolean)
          .join('\n'),
        held,
      }
    default: {
      const text =
        parts.length > 0
          ? partsText(parts)
          : partsText(firstOf(content, 'text', 'result', 'content', 'user_instructions'))
      return { content: text, held: text === '' && things.length === 0 ? {} : held }
    }
  }
}

const fenced = (text: string, language = ''): string =>
  text === '' ? '' : `\`\`\`${language === 'unknown' ? '' : language}\n${text}\n\`\`\``
