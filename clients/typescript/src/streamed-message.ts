// A message that is being written, with what the log doesn't have of it yet.
import type { Message } from '@lockstep/protocol/message'
import { openPart, partsOf, putPart, recomposed } from '@lockstep/protocol/message-parts'
import type { Part } from '@lockstep/protocol/parts'
import type { Delta } from '@lockstep/protocol/sync'
import { partKey, type StreamedText } from './streamed-text.ts'

/** Takes a piece of a message. True if what is shown may have changed. */
export function addPiece(
  streamedText: StreamedText,
  message: Message | undefined,
  message_id: string,
  { thinking_ms, ...delta }: Delta,
): boolean {
  const { part_id } = delta
  if (part_id === undefined)
    return streamedText.add(message_id, { ...delta, thinking_ms }, message?.content.length ?? 0)
  const part = message && partsOf(message).find(({ id }) => id === part_id)
  const length = part && 'text' in part ? part.text.length : 0
  return streamedText.add(partKey(message_id, part_id), delta, length)
}

/** The message with its streamed text and thinking. */
export function streamedMessage(message: Message, streamedText: StreamedText): Message {
  const content = streamedText.append(message.id, message.content)
  const streamed = streamedText.partIds(message.id)
  if (streamed.length === 0 && !message.parts) return { ...message, content }
  let parts = partsOf(message)
  for (const id of streamed) {
    // only reasoning is streamed before the log has its part
    const part: Part = parts.find((one) => one.id === id) ?? { id, type: 'reasoning', text: '' }
    if (part.type !== 'text' && part.type !== 'reasoning') continue
    const text = streamedText.append(partKey(message.id, id), part.text)
    parts = putPart(parts, { ...part, text })
  }
  const added = content.slice(message.content.length)
  const open = openPart(parts, 'text')
  if (added !== '') parts = putPart(parts, { ...open, text: open.text + added })
  return recomposed(message, parts)
}
