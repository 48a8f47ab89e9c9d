// LibreChat: one conversation a file. Messages come as a flat list whose items name their parent, or ("recursive") with `children` inside.
import { isObject } from '@lockstep/protocol/free-form'
import { flattenTree, type TreeNode } from './branches.ts'
import type { ParsedConversation, ParseExport } from './imported.ts'
import { toMetadata } from './kept.ts'
import {
  conversationsIn,
  firstOf,
  objectsOf,
  partsText,
  textOf,
  timeOf,
  type Fields,
} from './values.ts'

export const parseLibrechat: ParseExport = (data, first) => conversationsIn(data, readConversation, first)

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

function readConversation(fields: Fields): ParsedConversation | undefined {
  const list = firstOf(fields, 'messages', 'messagesTree')
  const key = textOf(fields.conversationId)
  if (key === undefined || !Array.isArray(list)) return undefined
  const nodes = [...flattened(objectsOf(list))]
  const isTree = nodes.some(({ parent }) => parent !== undefined)
  const chained = isTree ? nodes : nodes.map((node, i) => ({ ...node, parent: nodes[i - 1]?.key }))
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

/** Every message of a list and, in front of what follows it, of its `children`. */
function* flattened(roots: readonly Fields[]): Iterable<TreeNode> {
  const waiting = roots
    .map((fields) => ({ fields, above: undefined as string | undefined }))
    .reverse()
  let count = 0
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const node = readMessage(next.fields, next.above, count++)
    yield node
    for (const fields of objectsOf(next.fields.children).reverse())
      waiting.push({ fields, above: node.key })
  }
}

function readMessage(fields: Fields, above: string | undefined, index: number): TreeNode {
  const model = textOf(fields.model)
  const parts = objectsOf(fields.content)
  const said = partsText(parts.filter(({ type }) => type === 'text'))
  const held = parts.filter(({ type }) => type !== 'text')
  const isUser = fields.isCreatedByUser ?? textOf(fields.sender)?.toLowerCase() === 'user'
  return {
    key: textOf(fields.messageId) ?? `#${index}`,
    parent: above ?? textOf(fields.parentMessageId),
    message: {
      role: isUser ? 'user' : 'assistant',
      content: partsText(fields.text) || said,
      created_at: timeOf(fields.createdAt),
      updated_at: timeOf(fields.updatedAt),
      ...(fields.error === true
        ? { status: 'failed' }
        : fields.unfinished === true
          ? { status: 'interrupted' }
          : {}),
      metadata: toMetadata({
        ...{ model, parts: held, files: fields.files, endpoint: fields.endpoint },
        ...(isObject(fields.plugin) && { plugin: fields.plugin }),
      }),
    },
  }
}
