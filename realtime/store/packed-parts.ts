// The parts of messages are stored as JSON text. They hold what tools and programs say, in which
// keys may have any name, and a database or its driver would interpret some of them.
import { isObject } from '@lockstep/protocol/free-form'
import type { Part } from '@lockstep/protocol/parts'

type Content = Record<string, unknown>

export const packParts = (parts: readonly Part[]): string => JSON.stringify(parts)
// Assertion: only `packParts` writes them.
export const unpackParts = (stored: string): Part[] => JSON.parse(stored) as Part[]

const pack = (value: unknown): unknown =>
  typeof value === 'object' && value !== null ? JSON.stringify(value) : value
const unpack = (value: unknown): unknown =>
  typeof value === 'string' ? (JSON.parse(value) as unknown) : value

/** The content of an entry of the topic `conversations`, as it is stored. */
export const packContent = (content: Content): Content => convert(content, pack)
/** The same as it was before it was stored. */
export const unpackContent = (content: Content): Content => convert(content, unpack)

function convert(content: Content, change: (value: unknown) => unknown): Content {
  const { messages, part } = content
  const hasParts =
    Array.isArray(messages) && messages.some((one) => isObject(one) && 'parts' in one)
  if (!hasParts && part === undefined) return content
  const converted = (message: unknown): unknown =>
    isObject(message) && 'parts' in message ? { ...message, parts: change(message.parts) } : message
  return {
    ...content,
    ...(hasParts && { messages: messages.map(converted) }),
    ...(part !== undefined && { part: change(part) }),
  }
}
