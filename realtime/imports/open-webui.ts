// Open WebUI: a list of chats; the messages of each are a tree in `chat.history`, beside the open thread in `chat.messages`.
import { isObject } from '@lockstep/protocol/free-form'
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

export const parseOpenWebui: ParseExport = (data, first) => conversationsIn(data, readConversation, first)

const knownFields = [
  'id',
  'user_id',
  'title',
  'chat',
  'created_at',
  'updated_at',
  'archived',
  'pinned',
]
const knownInChat = ['id', 'title', 'history', 'messages', 'timestamp']

function readConversation(fields: Fields): ParsedConversation | undefined {
  const chat = isObject(fields.chat) ? fields.chat : fields // older versions exported the inside alone
  const history = isObject(chat.history) ? chat.history : {}
  const tree = isObject(history.messages) ? Object.entries(history.messages) : []
  const flat = objectsOf(chat.messages)
  if (tree.length === 0 && !Array.isArray(chat.messages)) return undefined
  const nodes =
    tree.length > 0
      ? tree.map(([key, value]) => readMessage(isObject(value) ? value : {}, key))
      : flat.map((message, i) => readMessage(message, `#${i}`))
  const isTree = nodes.some(({ parent }) => parent !== undefined)
  const chained = isTree ? nodes : nodes.map((node, i) => ({ ...node, parent: nodes[i - 1]?.key }))
  const created_at = timeOf(firstOf(fields, 'created_at') ?? chat.timestamp)
  return {
    key: textOf(firstOf(fields, 'id') ?? chat.id) ?? `${created_at} ${chained[0]?.key}`,
    title: textOf(firstOf(fields, 'title') ?? chat.title),
    created_at,
    updated_at: timeOf(fields.updated_at),
    archived: fields.archived === true,
    pinned: fields.pinned === true,
    metadata: toMetadata({
      ...toMetadata(chat, chat === fields ? [...knownInChat, ...knownFields] : knownInChat),
      ...(chat !== fields && toMetadata(fields, knownFields)),
    }),
    messages: flattenTree(chained, textOf(history.currentId) ?? chained.at(-1)?.key),
  }
}

const knownInMessage = ['id', 'parentId', 'childrenIds', 'role', 'content', 'timestamp', 'done']

function readMessage(fields: Fields, key: string): TreeNode {
  return {
    key: textOf(fields.id) ?? key,
    parent: textOf(fields.parentId),
    message: {
      role: roleOf(fields.role),
      content: partsText(fields.content),
      created_at: timeOf(fields.timestamp),
      ...(isObject(fields.error) || fields.error === true
        ? { status: 'failed' as const }
        : fields.done === false && { status: 'interrupted' as const }),
      metadata: toMetadata(fields, knownInMessage),
    },
  }
}
