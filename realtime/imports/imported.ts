// What every parser makes of its source: conversations as they were, named by the keys that their source gave them. Sizes, ids and what
// is missing are settled later, for all sources alike.
import type { JsonObject } from '@lockstep/protocol/free-form'
import type { Message } from '@lockstep/protocol/message'

export interface ParsedMessage {
  /** Names it within its conversation. */
  key: string
  role: Message['role']
  content: string
  /** The key of the message of which it is another version. */
  replaces?: string
  status?: Message['status']
  created_at?: string
  updated_at?: string
  metadata: JsonObject
}

export interface ParsedConversation {
  /** Names it within its source: the same thing has the same key in every export. */
  key: string
  title?: string
  created_at?: string
  updated_at?: string
  archived?: boolean
  pinned?: boolean
  deleted_at?: string | null
  metadata: JsonObject
  /** In order. */
  messages: ParsedMessage[]
}

export type ParsedItem =
  | { kind: 'conversation'; conversation: ParsedConversation }
  | { kind: 'preferences'; preferences: JsonObject }
  /** A run of an agent, as Lockstep exports it. */
  | { kind: 'run'; run: unknown }
  /** Something that can't be a conversation; `item` names it for a person. */
  | { kind: 'failed'; item: string; reason: string }

/**
 * Reads `data` of one source, or a part of it that begins with item `first` (from 0). Throws a Fault when it isn't of that source at all; a
 * broken item is one `failed`.
 */
export type ParseExport = (data: unknown, first?: number) => Iterable<ParsedItem>
