// Messages that are being written, with what the log doesn't have of them yet. The log has all of
// it a moment later, so nothing is lost while this code isn't loaded.
import type { Message } from '@lockstep/protocol/message'
import { partsOf, putPart, recomposed } from '@lockstep/protocol/message-parts'
import { openPart } from '@lockstep/protocol/open-part'
import type { Part } from '@lockstep/protocol/parts'
import type { Delta } from '@lockstep/protocol/sync'
import { partKey, StreamedText } from './streamed-text.ts'

export class StreamedMessages {
  readonly #text = new StreamedText()

  /** Takes a piece of a message. True if what is shown may have changed. */
  add(message: Message | undefined, message_id: string, { thinking_ms, ...delta }: Delta): boolean {
    const { part_id } = delta
    if (part_id === undefined)
      return this.#text.add(message_id, { ...delta, thinking_ms }, message?.content.length ?? 0)
    const part = message && partsOf(message).find(({ id }) => id === part_id)
    const length = part && 'text' in part ? part.text.length : 0
    return this.#text.add(partKey(message_id, part_id), delta, length)
  }

  /** The message with its streamed text and thinking, and since when the model thinks. */
  shown(message: Message): Message & { thinking_since?: number } {
    const streamed = this.#withText(message)
    const thinking_since = this.#text.thinkingSince(message.id, streamed.content.length)
    return { ...streamed, ...(thinking_since !== undefined && { thinking_since }) }
  }

  /** The log has all of the message. */
  end(message_id: string): void {
    this.#text.end(message_id)
  }

  clear(): void {
    this.#text.clear()
  }

  #withText(message: Message): Message {
    const content = this.#text.append(message.id, message.content)
    const streamed = this.#text.partIds(message.id)
    if (streamed.length === 0 && !message.parts) return { ...message, content }
    let parts = partsOf(message)
    for (const id of streamed) {
      // only reasoning is streamed before the log has its part
      const part: Part = parts.find((one) => one.id === id) ?? { id, type: 'reasoning', text: '' }
      if (part.type !== 'text' && part.type !== 'reasoning') continue
      const text = this.#text.append(partKey(message.id, id), part.text)
      parts = putPart(parts, { ...part, text })
    }
    const added = content.slice(message.content.length)
    const open = openPart(parts, 'text')
    if (added !== '') parts = putPart(parts, { ...open, text: open.text + added })
    return recomposed(message, parts)
  }
}
