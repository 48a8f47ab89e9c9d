// Claude: conversations.json, a list of conversations with `chat_messages`; newer exports say which message each one answers.
import { isObject } from '@lockstep/protocol/free-form'
import { flattenTree, type TreeNode } from './branches.ts'
import type { ParsedConversation, ParseExport } from './imported.ts'
import { toMetadata } from './kept.ts'
import {
  conversationsIn,
  objectsOf,
  partsText,
  roleOf,
  textOf,
  timeOf,
  type Fields,
} from './values.ts'

export const parseClaude: ParseExport = (data, first) => conversationsIn(data, readConversation, first)

function readConversation(fields: Fields): ParsedConversation | undefined {
  const key = textOf(fields.uuid)
  if (key === undefined || !Array.isArray(fields.chat_messages)) return undefined
  const nodes = objectsOf(fields.chat_messages).map(readMessage)
  const isTree = objectsOf(fields.chat_messages).some((message) => 'parent_message_uuid' in message)
  const chained = isTree ? nodes : nodes.map((node, i) => ({ ...node, parent: nodes[i - 1]?.key }))
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

function readMessage(fields: Fields, index: number): TreeNode {
  const parts = objectsOf(fields.content)
  const said = parts.filter(({ type }) => type === 'text' || type === undefined)
  const held = parts.filter((part) => !said.includes(part))
  return {
    key: textOf(fields.uuid) ?? `#${index}`,
    parent: textOf(fields.parent_message_uuid),
    message: {
      role: roleOf(isObject(fields.sender) ? fields.sender.type : fields.sender),
      content: partsText(said) || partsText(fields.text),
      created_at: timeOf(fields.created_at),
      updated_at: timeOf(fields.updated_at),
      metadata: toMetadata({
        parts: held,
        attachments: fields.attachments,
        files: fields.files,
        model: fields.model,
      }),
    },
  }
}
