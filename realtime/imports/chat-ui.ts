// chat-ui: its conversations as they are in its MongoDB, in plain or extended JSON. Messages name all their `ancestors`.
import { flattenTree, type TreeNode } from './branches.ts'
import type { ParsedConversation, ParseExport } from './imported.ts'
import { toMetadata } from './kept.ts'
import {
  conversationsIn,
  firstOf,
  listOf,
  objectsOf,
  partsText,
  roleOf,
  textOf,
  timeOf,
  type Fields,
} from './values.ts'

export const parseChatUi: ParseExport = (data, first) => conversationsIn(data, readConversation, first)

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

function readConversation(fields: Fields): ParsedConversation | undefined {
  if (!Array.isArray(fields.messages)) return undefined
  const nodes = objectsOf(fields.messages).map(readMessage)
  // older conversations are plain lists
  const isTree = nodes.some(({ parent }) => parent !== undefined)
  const chained = isTree ? nodes : nodes.map((node, i) => ({ ...node, parent: nodes[i - 1]?.key }))
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

function readMessage(fields: Fields, index: number): TreeNode {
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
