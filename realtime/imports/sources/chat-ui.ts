// chat-ui: conversations as its MongoDB stores them, in plain or extended JSON. Each message names
// all of its `ancestors`.
import { parseConversations } from '../parsing/conversation-list.ts'
import { chainNodes, flattenTree, type TreeNode } from '../parsing/message-tree.ts'
import type { ParsedConversation, ParseExport } from '../parsing/parsed-item.ts'
import { toMetadata } from '../parsing/metadata.ts'
import {
  firstOf,
  listOf,
  objectsOf,
  partsText,
  roleOf,
  textOf,
  timeOf,
  type Fields,
} from '../parsing/foreign-values.ts'

export const parseChatUi: ParseExport = (data, first) =>
  parseConversations(data, parseConversation, first)

const knownFields = [
  '_id',
  'id',
  'title',
  'messages',
  'createdAt',
  'updatedAt',
  'rootMessageId',
  'sessionId',
  'userId',
  'embeddingModel',
]

function parseConversation(fields: Fields): ParsedConversation | undefined {
  if (!Array.isArray(fields.messages)) return undefined
  const nodes = objectsOf(fields.messages).map(parseMessage)
  // older conversations are plain lists
  const isTree = nodes.some(({ parent }) => parent !== undefined)
  const chained = isTree ? nodes : chainNodes(nodes)
  const created_at = timeOf(fields.createdAt)
  return {
    key: textOf(firstOf(fields, '_id', 'id')) ?? `${created_at} ${chained[0]?.key}`,
    title: textOf(fields.title),
    created_at,
    updated_at: timeOf(fields.updatedAt),
    metadata: toMetadata(fields, knownFields),
    messages: flattenTree(chained, chained.at(-1)?.key),
  }
}

const knownInMessage = [
  'id',
  'from',
  'role',
  'content',
  'ancestors',
  'children',
  'createdAt',
  'updatedAt',
  'interrupted',
  'updates',
]

function parseMessage(fields: Fields, index: number): TreeNode {
  const content = partsText(fields.content)
  const isRoot = fields.from === 'system' && content === ''
  return {
    key: textOf(fields.id) ?? `#${index}`,
    parent: textOf(listOf(fields.ancestors).at(-1)),
    message: isRoot
      ? undefined
      : {
          role: roleOf(firstOf(fields, 'from', 'role')),
          content,
          created_at: timeOf(fields.createdAt),
          updated_at: timeOf(fields.updatedAt),
          ...(fields.interrupted === true && { status: 'interrupted' }),
          metadata: toMetadata(fields, knownInMessage),
        },
  }
}
