// A message that is being written, as the chunks of the AI SDK's stream: what has been added to it
// since the last look.
import type { Json } from '@lockstep/client'
import type { Message } from '@lockstep/client/protocol'
import type { UIMessage, UIMessageChunk } from 'ai'
import { toUIMessage } from './messages.ts'

type UIPart = UIMessage['parts'][number]

/** What the reader of a stream has of a text. */
interface OpenText {
  type: 'text' | 'reasoning'
  text: string
  isEnded: boolean
}

export class ChunkWriter {
  readonly #message_id: string
  readonly #texts = new Map<number, OpenText>()
  readonly #written = new Map<number, string>()
  #metadata = ''
  #isStarted = false

  /** @param message_id the id under which the reader knows the message */
  constructor(message_id: string) {
    this.#message_id = message_id
  }

  /** The chunks that bring the reader to this state of the message, and end it if that is over. */
  next(message: Parameters<typeof toUIMessage>[0]): UIMessageChunk[] {
    const { parts, metadata } = toUIMessage(message)
    const chunks: UIMessageChunk[] = []
    if (!this.#isStarted) chunks.push({ type: 'start', messageId: this.#message_id })
    this.#isStarted = true
    for (const [index, part] of parts.entries()) chunks.push(...this.#part(part, index))
    const noted = JSON.stringify(metadata ?? {})
    if (noted !== this.#metadata && noted !== '{}')
      chunks.push({ type: 'message-metadata', messageMetadata: metadata })
    this.#metadata = noted
    if (message.status !== 'streaming') chunks.push(...this.#end(message))
    return chunks
  }

  #part(part: UIPart, index: number): UIMessageChunk[] {
    if (part.type === 'text' || part.type === 'reasoning') return this.#text(part, index)
    const written = JSON.stringify(part)
    if (this.#written.get(index) === written) return []
    this.#written.set(index, written)
    return chunksOf(part)
  }

  #text(part: Extract<UIPart, { type: 'text' | 'reasoning' }>, index: number): UIMessageChunk[] {
    const { type, text, state } = part
    const id = String(index)
    const chunks: UIMessageChunk[] = []
    const open = this.#texts.get(index) ?? { type, text: '', isEnded: false }
    if (open.isEnded) return []
    if (!this.#texts.has(index)) chunks.push({ type: `${type}-start`, id })
    // A producer only adds. If a text was rewritten all the same, the end of the stream shows it.
    if (text.startsWith(open.text) && text.length > open.text.length)
      chunks.push({ type: `${type}-delta`, id, delta: text.slice(open.text.length) })
    if (text.startsWith(open.text)) open.text = text
    open.isEnded = state === 'done'
    if (open.isEnded) chunks.push({ type: `${type}-end`, id })
    this.#texts.set(index, open)
    return chunks
  }

  #end({ status, metadata }: Pick<Message, 'status' | 'metadata'>): UIMessageChunk[] {
    if (status === 'complete') return [{ type: 'finish', finishReason: 'stop' }]
    if (status === 'stopped') return [{ type: 'abort', reason: 'stopped' }]
    return [{ type: 'error', errorText: reasonIn(metadata) ?? `The reply is ${status}` }]
  }
}

const reasonIn = ({ reason, error }: Record<string, Json>): string | undefined =>
  [reason, error].find((text) => typeof text === 'string')

/** The chunks that make a part which is no text. */
function chunksOf(part: UIPart): UIMessageChunk[] {
  if ('toolCallId' in part) return chunksOfTool(part)
  if (part.type.startsWith('data-')) return [part as UIMessageChunk] // it has the same fields
  switch (part.type) {
    case 'source-url':
    case 'source-document':
    case 'file':
    case 'reasoning-file':
    case 'custom':
      return [part]
    case 'step-start':
      return [{ type: 'start-step' }]
    default:
      return []
  }
}

function chunksOfTool(part: Extract<UIPart, { toolCallId: string }>): UIMessageChunk[] {
  const { toolCallId, input } = part
  const dynamic = part.type === 'dynamic-tool'
  const toolName = dynamic ? part.toolName : part.type.slice('tool-'.length)
  const call = { type: 'tool-input-available', toolCallId, toolName, input, dynamic } as const
  switch (part.state) {
    case 'output-available':
      return [call, { type: 'tool-output-available', toolCallId, output: part.output }]
    case 'output-error':
      return [call, { type: 'tool-output-error', toolCallId, errorText: part.errorText }]
    case 'output-denied':
      return [call, { type: 'tool-output-denied', toolCallId }]
    case 'approval-requested':
      return [call, { type: 'tool-approval-request', approvalId: part.approval.id, toolCallId }]
    default:
      return [call]
  }
}
