// What each parser makes of its source: conversations as they were, named by the keys that their
// source gave them. Ids, missing values and sizes are dealt with later, for all sources alike
// (`normalize.ts`).
import type { Encryption } from '@lockstep/protocol/encryption'
import type { JsonObject } from '@lockstep/protocol/free-form'
import type { ImportFailure } from '@lockstep/protocol/import'
import type { Message } from '@lockstep/protocol/message'
import type { Part } from '@lockstep/protocol/parts'

export interface ParsedMessage {
  /** Identifies the message within its conversation. */
  key: string
  role: Message['role']
  content: string
  /** The key of the message that this one is another version of. */
  replaces?: string
  /** The key of the message that this one continues, if not the one before it. */
  follows?: string
  status?: Message['status']
  /** Times are ISO 8601, here and below. */
  created_at?: string
  updated_at?: string
  metadata: JsonObject
  /** Its parts, if there are others than its text and its thinking. */
  parts?: readonly Part[]
}

export interface ParsedConversation {
  /** Identifies the conversation within its source: it has the same key in each export. */
  key: string
  title?: string
  created_at?: string
  updated_at?: string
  archived?: boolean
  pinned?: boolean
  deleted_at?: string | null
  /** Its texts are encrypted by the clients. */
  encryption?: Encryption
  metadata: JsonObject
  /** In the order of their future positions. */
  messages: ParsedMessage[]
}

export type FailedItem = { kind: 'failed' } & CodedFailure
type CodedFailure = ImportFailure & Required<Pick<ImportFailure, 'code'>>

export type ParsedItem =
  | { kind: 'conversation'; conversation: ParsedConversation }
  | { kind: 'preferences'; preferences: JsonObject }
  /** An agent's run, as Lockstep exports it. */
  | { kind: 'run'; run: unknown }
  /** A record of a program, as Lockstep exports it. */
  | { kind: 'record'; record: unknown }
  /** A text that wasn't sent yet, as Lockstep exports it. */
  | { kind: 'draft'; draft: unknown }
  /** Something that can't be a conversation. `item` names it for a person. */
  | FailedItem

/**
 * Parses an export, or a part of one. `first` is the index of the first item, from 0. Throws
 * `invalid` if the export isn't of this source at all. A broken item becomes one failed item.
 */
export type ParseExport = (data: unknown, first?: number) => Iterable<ParsedItem>
