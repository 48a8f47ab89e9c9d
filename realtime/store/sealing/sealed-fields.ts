// What is sealed: every field that holds what people or agents write. Ids, times, versions, states
// and the names of fields are not: the database has to find and order by them.
import type { Document } from 'mongodb'

export interface SealedFields {
  collection: string
  /** Each field, and the value that it has once the user's key has been destroyed. */
  fields: Readonly<Record<string, unknown>>
  /** Fields that tell about the sealed ones without their content. */
  outline?: (document: Document) => Document
  /** The field that tells whether a document has been written since it was read. */
  guard: string
}

const names = (value: unknown): string[] | null =>
  typeof value === 'object' && value !== null ? Object.keys(value) : null
const count = (value: unknown): number | null => (Array.isArray(value) ? value.length : null)

/** The outline of an entry, stored beside its sealed content for `readOutlines`. */
function outlineOf({ data = {}, before = {} }: Document): Document {
  const { patch, messages, pinned = null, archived = null, ...rest } = data as Document
  const { agent, status, session, what, kind = null } = rest
  return {
    outline: {
      fields: names(patch) ?? names(data),
      messages: count(messages),
      edited: count((before as Document).messages),
      pinned,
      archived,
      label: agent ?? status ?? (session as Document | undefined)?.device ?? what ?? kind,
    },
  }
}

export const sealedFields = {
  changes: {
    collection: 'changes',
    fields: { data: undefined, before: undefined, fingerprint: '' },
    outline: outlineOf,
    guard: 'stripped',
  },
  users: { collection: 'users', fields: { preferences: {} }, guard: 'preferences_seq' },
  conversations: {
    collection: 'conversations',
    fields: { title: '', preview: '', metadata: {} },
    guard: 'seq',
  },
  messages: {
    collection: 'messages',
    fields: { content: '', parts: undefined, metadata: {} },
    guard: 'seq',
  },
  agent_runs: {
    collection: 'agent_runs',
    fields: { input: '', output: '', metadata: {} },
    guard: 'seq',
  },
  records: { collection: 'records', fields: { data: {} }, guard: 'seq' },
  drafts: { collection: 'drafts', fields: { text: '' }, guard: 'version' },
} satisfies Record<string, SealedFields>
