// LibreChat: one conversation per file. The messages are a flat list in which each names its
// parent, or ("recursive") each message holds its `children`.
import { isObject } from '@lockstep/protocol/free-form'
import { parseConversations } from '../parsing/conversation-list.ts'
import { chainNodes, flattenTree, type TreeNode } from '../parsing/message-tree.ts'
import type { ParsedConversation, ParseExport } from '../parsing/parsed-item.ts'
import { toMetadata } from '../parsing/metadata.ts'
import {
  firstOf,
  objectsOf,
  partsText,
  textOf,
  timeOf,
  type Fields,
} from '../parsing/foreign-values.ts'

export const parseLibrechat: ParseExport = (data, first) =>
  parseConversations(data, parseConversation, first)

const knownFields = [
  'conversationId',
  'title',
  'messages',
  'messagesTree',
  'createdAt',
  'updatedAt',
  'exportAt',
  'branches',
  'recursive',
  'isArchived',
  'user',
  '_id',
  '__v',
]

function parseConversation(fields: Fields): ParsedConversation | undefined {
  const list = firstOf(fields, 'messages', 'messagesTree')
  const key = textOf(fields.conversationId)
  if (key === undefined || !Array.isArray(list)) return undefined
  const nodes = [...nodesIn(objectsOf(list))]
  const isTree = nodes.some(({ parent }) => parent !== undefined)
  const chained = isTree ? nodes : chainNodes(nodes)
  return {
    key,
    title: textOf(fields.title),
    created_at: timeOf(fields.createdAt),
    updated_at: timeOf(fields.updatedAt),
    archived: fields.isArchived === true,
    metadata: toMetadata(fields, knownFields),
    messages: flattenTree(chained, chained.at(-1)?.key),
  }
}

/** Yields the messages of recursive lists depth first, without recursion. */
function* nodesIn(roots: readonly Fields[]): Iterable<TreeNode> {
  const stack = roots
    .map((fields) => ({ fields, parent: undefined as string | undefined }))
    .reverse()
  let count = 0
  for (let next = stack.pop(); next; next = stack.pop()) {
    const node = parseMessage(next.fields, next.parent, count++)
    yield node
    for (const fields of objectsOf(next.fields.children).reverse())
      stack.push({ fields, parent: node.key })
  }
}

function parseMessage(fields: Fields, parent: string | undefined, index: number): TreeNode {
  const parts = objectsOf(fields.content)
  const text = partsText(parts.filter(({ type }) => type === 'text'))
  const otherParts = parts.filter(({ type }) => type !== 'text')
  const isUser = fields.isCreatedByUser ?? textOf(fields.sender)?.toLowerCase() === 'user'
  return {
    key: textOf(fields.messageId) ?? `#${index}`,
    parent: parent ?? textOf(fields.parentMessageId),
    message: {
      role: isUser ? 'user' : 'assistant',
      content: partsText(fields.text) || text,
      created_at: timeOf(fields.createdAt),
      updated_at: timeOf(fields.updatedAt),
      ...(fields.error === true
        ? { status: 'failed' }
        : fields.unfinished === true
          ? { status: 'interrupted' }
          : {}),
      metadata: toMetadata({
        model: textOf(fields.model),
        parts: otherParts,
        files: fields.files,
        endpoint: fields.endpoint,
        ...(isObject(fields.plugin) && { plugin: fields.plugin }),
      }),
    },
  }
}
