// Open WebUI: a list of chats. The messages of each are a tree in `chat.history`. `chat.messages`
// repeats the open thread as a list, and is all that older exports have.
import { isObject } from '@lockstep/protocol/free-form'
import { parseConversations } from '../parsing/conversation-list.ts'
import { chainNodes, flattenTree, type TreeNode } from '../parsing/message-tree.ts'
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

export const parseOpenWebui: ParseExport = (data, first) =>
  parseConversations(data, parseConversation, first)

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

function parseConversation(fields: Fields): ParsedConversation | undefined {
  const chat = isObject(fields.chat) ? fields.chat : fields // older versions exported `chat` alone
  const history = isObject(chat.history) ? chat.history : {}
  const tree = isObject(history.messages) ? Object.entries(history.messages) : []
  const flat = objectsOf(chat.messages)
  if (tree.length === 0 && !Array.isArray(chat.messages)) return undefined
  const nodes =
    tree.length > 0
      ? tree.map(([key, value]) => parseMessage(isObject(value) ? value : {}, key))
      : flat.map((message, i) => parseMessage(message, `#${i}`))
  const isTree = nodes.some(({ parent }) => parent !== undefined)
  const chained = isTree ? nodes : chainNodes(nodes)
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

function parseMessage(fields: Fields, key: string): TreeNode {
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
