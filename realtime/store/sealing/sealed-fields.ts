// What is sealed: every field that holds what people or agents write. Ids, times, versions, states
// and the names of fields are not: the database has to find and order by them.
import type { Document } from 'mongodb'

export interface SealedFields {
  collection: string
  /** Each field, and the value that it has once the user's key has been destroyed. */
  fields: Readonly<Record<string, unknown>>
  /** Fields that are only compared: a digest of each is stored, which outlives the others. */
  compared?: readonly string[]
  /** Fields that tell about the sealed ones without their content. */
  outline?: (document: Document) => Document
  /** The field that tells whether a document has been written since it was read. */
  guard: string
}

const names = (value: unknown): string[] | null =>
  typeof value === 'object' && value !== null ? Object.keys(value) : null
const count = (value: unknown): number | null => (Array.isArray(value) ? value.length : null)

/**
 * The outline of an entry, stored beside its sealed content for `readOutlines`. What is empty or
 * stands in the entry itself is left out.
 */
function outlineOf({ data = {}, before = {}, fields }: Document): Document {
  const { patch, messages, pinned, archived, ...rest } = data as Document
  const { agent, status, session, what, kind } = rest
  const all = {
    fields: fields ? null : (names(patch) ?? names(data)),
    messages: count(messages),
    edited: count((before as Document).messages),
    pinned: pinned as unknown,
    archived: archived as unknown,
    label: agent ?? status ?? (session as Document | undefined)?.device ?? what ?? kind,
  }
  const known = Object.entries(all).filter(([, value]) => value !== null && value !== undefined)
  return { outline: Object.fromEntries(known) }
}

export const sealedFields = {
  changes: {
    collection: 'changes',
    fields: { data: undefined, before: undefined, fingerprint: '' },
    compared: ['fingerprint'],
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
