// Claude: conversations.json, a list of conversations with `chat_messages`. In newer exports each
// message names the message that it answers.
import { isObject } from '@lockstep/protocol/free-form'
import { parseConversations } from '../parsing/conversation-list.ts'
import { chainNodes, flattenTree, type TreeNode } from '../parsing/message-tree.ts'
import type { ParsedConversation, ParseExport } from '../parsing/parsed-item.ts'
import { toMetadata } from '../parsing/metadata.ts'
import {
  objectsOf,
  partsText,
  roleOf,
  textOf,
  timeOf,
  type Fields,
} from '../parsing/foreign-values.ts'

export const parseClaude: ParseExport = (data, first) =>
  parseConversations(data, parseConversation, first)

function parseConversation(fields: Fields): ParsedConversation | undefined {
  const key = textOf(fields.uuid)
  if (key === undefined || !Array.isArray(fields.chat_messages)) return undefined
  const nodes = objectsOf(fields.chat_messages).map(parseMessage)
  const isTree = objectsOf(fields.chat_messages).some((message) => 'parent_message_uuid' in message)
  const chained = isTree ? nodes : chainNodes(nodes)
  return {
    key,
    title: textOf(fields.name) || undefined,
    created_at: timeOf(fields.created_at),
    updated_at: timeOf(fields.updated_at),
    pinned: fields.is_starred === true,
    metadata: toMetadata(fields, [
      'uuid',
      'name',
      'created_at',
      'updated_at',
      'chat_messages',
      'account',
      'is_starred',
      'current_leaf_message_uuid',
    ]),
    messages: flattenTree(chained, textOf(fields.current_leaf_message_uuid) ?? chained.at(-1)?.key),
  }
}

function parseMessage(fields: Fields, index: number): TreeNode {
  const parts = objectsOf(fields.content)
  const textParts = parts.filter(({ type }) => type === 'text' || type === undefined)
  const otherParts = parts.filter((part) => !textParts.includes(part))
  return {
    key: textOf(fields.uuid) ?? `#${index}`,
    parent: textOf(fields.parent_message_uuid),
    message: {
      role: roleOf(isObject(fields.sender) ? fields.sender.type : fields.sender),
      content: partsText(textParts) || partsText(fields.text),
      created_at: timeOf(fields.created_at),
      updated_at: timeOf(fields.updated_at),
      metadata: toMetadata({
        parts: otherParts,
        attachments: fields.attachments,
        files: fields.files,
        model: fields.model,
      }),
    },
  }
}
