// A message of another product, as a parser reads it. What the parser doesn't understand stays as
// it is, in `rest`. `assembleThread` makes a thread from such messages.
import type { Message } from '@lockstep/protocol/message'
import type { Part } from '@lockstep/protocol/parts'
import type { Fields } from './foreign-values.ts'
import type { SourceLink } from './source-links.ts'

export interface OriginalMessage {
  /** Identifies the message within its conversation. */
  key: string
  /** Undefined, or a key that no message has: the message begins a thread. */
  parent?: string | undefined
  role: Message['role']
  content: string
  /** The message's text if it has no content. If there is neither, the message isn't shown. */
  label?: string | undefined
  /** Its product doesn't show it. */
  isHidden?: boolean
  status?: Message['status'] | undefined
  /** Times are ISO 8601. */
  created_at?: string | undefined
  updated_at?: string | undefined
  model?: string | undefined
  thinking?: string[]
  /** How the source names thinking, so that a person can be told where some of it is missing. */
  thinkingName?: string
  /** How the source names the text, for the same purpose. Default: content. */
  textName?: string
  thinking_ms?: number | undefined
  sources?: readonly SourceLink[]
  /** The calls of tools that it has made. */
  tools?: readonly Part[]
  /** Every field that the parser didn't understand. */
  rest: Fields
}

/** For exports without parents: makes each message a child of the message before it. */
export const chainOriginals = (originals: readonly OriginalMessage[]): OriginalMessage[] =>
  originals.map((original, i) => ({ ...original, parent: originals[i - 1]?.key }))

/** Gives each message a key of its own. The first one keeps a key that is repeated. */
export function withUniqueKeys(originals: readonly OriginalMessage[]): OriginalMessage[] {
  const used = new Set<string>()
  return originals.map((original, index) => {
    let { key } = original
    if (used.has(key)) key = `${key} ${index}`
    while (used.has(key)) key += ' '
    used.add(key)
    return key === original.key ? original : { ...original, key }
  })
}
