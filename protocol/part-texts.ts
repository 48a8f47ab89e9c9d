// The texts that parts make together, and their limits, without zod.
import { fitsMessage } from './encrypted-text.ts'
import type { JsonObject } from './free-form.ts'
import * as limits from './limit-values.ts'
import type { Part } from './parts.ts'
import { byteLength } from './text.ts'

/** What a message has by its parts. */
export interface Composed {
  content: string
  metadata: JsonObject
  parts?: Part[]
}

const textIn = (part: Part): string | undefined => ('text' in part ? part.text : undefined)
const joined = (parts: readonly Part[], type: 'text' | 'reasoning'): string =>
  parts.map((part) => (part.type === type ? textIn(part) : '')).join('')

/** The text of a message that has these parts. */
export const contentOf = (parts: readonly Part[]): string => joined(parts, 'text')
/** The thoughts in these parts. */
export const thinkingOf = (parts: readonly Part[]): string => joined(parts, 'reasoning')

/** The limit that a message with these parts exceeds, in bytes. */
export function exceededBy({ content, metadata, parts }: Composed): number | undefined {
  const texts = [content, metadata.thinking, ...(parts ?? []).map(textIn)]
  for (const text of texts)
    if (typeof text === 'string' && !fitsMessage(text)) return limits.messageBytes
  if (parts && byteLength(JSON.stringify(parts)) > limits.partsBytes) return limits.partsBytes
  return undefined
}
