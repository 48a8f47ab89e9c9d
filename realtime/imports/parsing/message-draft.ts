// A message while it is being read. A parser fills in what it understands; the rest is kept as it
// is. `assembleThread` makes messages of the drafts.
import type { Message } from '@lockstep/protocol/message'
import type { Fields } from './foreign-values.ts'
import type { SourceLink } from './source-links.ts'

export interface MessageDraft {
  /** Identifies the message within its conversation. */
  key: string
  /** Undefined, or a key that no draft has: the message begins a thread. */
  parent?: string | undefined
  role: Message['role']
  content: string
  /** What stands in the message if it has no content. Without it, the message isn't shown. */
  label?: string | undefined
  /** Its product doesn't show it. */
  isHidden?: boolean
  status?: Message['status'] | undefined
  /** Times are ISO 8601. */
  created_at?: string | undefined
  updated_at?: string | undefined
  model?: string | undefined
  thinking?: string[]
  /** How the source names thinking and text, for telling where something is missing. */
  thinkingName?: string
  /** Default: content. */
  textName?: string
  thinking_ms?: number | undefined
  sources?: readonly SourceLink[]
  /** Every field that the parser didn't understand. */
  rest: Fields
}

/** For exports without parents: makes each message a child of the message before it. */
export const chainDrafts = (drafts: readonly MessageDraft[]): MessageDraft[] =>
  drafts.map((draft, i) => ({ ...draft, parent: drafts[i - 1]?.key }))

/** Gives each draft a key that no other draft has. The first one keeps a key that is repeated. */
export function withUniqueKeys(drafts: readonly MessageDraft[]): MessageDraft[] {
  const used = new Set<string>()
  return drafts.map((draft, index) => {
    let { key } = draft
    if (used.has(key)) key = `${key} ${index}`
    while (used.has(key)) key += ' '
    used.add(key)
    return key === draft.key ? draft : { ...draft, key }
  })
}
