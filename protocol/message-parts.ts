// A message and its parts, without zod. The invariant: `content` is the joined text of the `text`
// parts, `metadata.thinking` that of the `reasoning` parts, and a message of one text has no
// `parts`.
import type { JsonObject } from './free-form.ts'
import type { Message } from './message.ts'
import { contentOf, thinkingOf, type Composed } from './part-texts.ts'
import type { Part } from './parts.ts'

/**
 * The parts of a message. One without `parts` has its text, and the thinking that messages kept in
 * their metadata before there were parts.
 */
export function partsOf({ content, metadata, parts }: Composed): readonly Part[] {
  if (parts) return parts
  const { thinking, thinking_ms: ms } = metadata
  const made: Part[] = []
  if (typeof thinking === 'string' && thinking !== '') {
    const hasTime = typeof ms === 'number' && Number.isSafeInteger(ms) && ms >= 0
    made.push({ id: 'reasoning', type: 'reasoning', text: thinking, ...(hasTime && { ms }) })
  }
  if (content !== '') made.push({ id: 'text', type: 'text', text: content })
  return made
}

/** The fields of a message with these parts, and with this metadata apart from its thinking. */
export function compose(metadata: JsonObject, parts: readonly Part[]): Composed {
  const thinking = thinkingOf(parts)
  const isPlain = parts.every(({ type }) => type === 'text') && parts.length < 2
  return {
    content: contentOf(parts),
    metadata: withThinking(metadata, thinking),
    ...(!isPlain && { parts: [...parts] }),
  }
}

function withThinking(metadata: JsonObject, thinking: string): JsonObject {
  if (thinking === (metadata.thinking ?? '')) return metadata
  const { thinking: former, ...rest } = metadata
  if (thinking !== '') return { ...rest, thinking }
  return typeof former === 'string' ? rest : metadata
}

/** The message with the parts that it has by its metadata, if it is from before there were any. */
export function whole(message: Message): Message {
  // `lockstep audit` reads damaged documents too
  const metadata: JsonObject | undefined = message.metadata
  const thinking = metadata?.thinking
  if (message.parts || typeof thinking !== 'string' || thinking === '') return message
  return recomposed(message, partsOf(message))
}

/** The message with these parts instead of its own. */
export function recomposed(message: Message, parts: readonly Part[]): Message {
  const { parts: _former, ...rest } = message
  return { ...rest, ...compose(message.metadata, parts) }
}

/** Adds a part, or replaces the one with its id. */
export function putPart(parts: readonly Part[], part: Part): Part[] {
  const at = parts.findIndex(({ id }) => id === part.id)
  return at < 0 ? [...parts, part] : parts.with(at, part)
}

/** One text instead of all `text` parts, or of all `reasoning` parts. */
export function replaceTexts(
  parts: readonly Part[],
  type: 'text' | 'reasoning',
  text: string,
): Part[] {
  const first = parts.findIndex((part) => part.type === type)
  const others = parts.filter((part) => part.type !== type)
  if (text === '') return others
  const id = first < 0 ? unusedId(others, type) : parts[first]!.id
  const at = first < 0 ? (type === 'text' ? others.length : 0) : first
  return others.toSpliced(at, 0, { id, type, text })
}

/** An id that follows from the parts, so that whoever extends the same parts makes the same. */
export function unusedId(parts: readonly Part[], type: string): string {
  const ids = new Set(parts.map(({ id }) => id))
  let id = type
  for (let n = 2; ids.has(id); n++) id = `${type}-${n}`
  return id
}

/**
 * Whether a device that doesn't know parts may be told of new text of a part as of new text of the
 * message: both count the same offset.
 */
export function startsContent(parts: readonly Part[], id: string): boolean {
  const at = parts.findIndex((part) => part.id === id)
  return parts[at]?.type === 'text' && contentOf(parts.slice(0, at)) === ''
}
