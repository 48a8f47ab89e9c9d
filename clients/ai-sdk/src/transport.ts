// The AI SDK's way to its server, over Lockstep's engine. The server writes the reply, so it goes
// on when a tab is closed, every tab and device can show it while it comes, and each can stop it.
import { Fault, type ConversationView, type Engine, type IssuedCommand } from '@lockstep/client'
import { idOf } from '@lockstep/client/foreign-ids'
import { branchOf, newId } from '@lockstep/client/protocol'
import type { ChatTransport, UIMessage, UIMessageChunk } from 'ai'
import { ChunkWriter } from './chunks.ts'
import { toMessageInput } from './messages.ts'

export { ChunkWriter } from './chunks.ts'
export { toMessageInput, toUIMessage, type LockstepMetadata } from './messages.ts'

export interface LockstepTransportOptions {
  readonly engine: Engine
  /** The agent that replies. Default: the server's first one. */
  readonly agent?: string
}

type Sending<Shown extends UIMessage> = Parameters<ChatTransport<Shown>['sendMessages']>[0]
type Reconnecting = Parameters<ChatTransport<UIMessage>['reconnectToStream']>[0]

export class LockstepTransport<
  Shown extends UIMessage = UIMessage,
> implements ChatTransport<Shown> {
  /** The AI SDK asks for it: a stream that is taken up again begins at the reply's beginning. */
  readonly resumeStreamIsReplay = true
  readonly #engine: Engine
  readonly #agent: string | undefined
  /** By the conversation: who takes up its reply. */
  readonly #resuming = new Map<string, Reconnecting>()

  constructor({ engine, agent }: LockstepTransportOptions) {
    this.#engine = engine
    this.#agent = agent
  }

  /** Sends what the conversation lacks, and asks for a reply. Throws Fault if it is refused. */
  async sendMessages(sending: Sending<Shown>): Promise<ReadableStream<UIMessageChunk>> {
    const id = idOf(sending.chatId)
    const held = await this.#open(id)
    try {
      const message_id = await this.#send(id, held, sending)
      return this.#stream(id, message_id, sending.abortSignal, () => true)
    } catch (error) {
      this.#engine.conversations.close(id)
      throw error
    }
  }

  /** The reply that is being written, from its beginning; null if none is. */
  async reconnectToStream(
    reconnecting: Reconnecting,
  ): Promise<ReadableStream<UIMessageChunk> | null> {
    const { chatId, abortSignal } = reconnecting
    const id = idOf(chatId)
    this.#resuming.set(id, reconnecting)
    const held = await this.#open(id)
    const reply = held?.messages.findLast(({ status }) => status === 'streaming')
    // The SDK also aborts an attempt when a later one begins. That isn't a person's wish to stop.
    const isStop = () => this.#resuming.get(id) === reconnecting
    if (reply) return this.#stream(id, reply.id, abortSignal, isStop)
    this.#engine.conversations.close(id)
    return null
  }

  /** Resolves with the reply's id. */
  async #send(
    id: string,
    held: ConversationView | undefined,
    { trigger, messageId, messages }: Sending<Shown>,
  ): Promise<string> {
    const { conversations } = this.#engine
    const known = new Set(held?.messages.map(({ id }) => id))
    const issued: IssuedCommand[] = []
    if (!held) issued.push(conversations.create({ id }))
    for (const message of messages) {
      const input = toMessageInput(message)
      const isEdit = trigger === 'submit-message' && messageId === message.id
      if (isEdit && input.role !== 'user')
        throw new Fault('invalid', { detail: 'Tools run where the agent does, not in a page' })
      if (!known.has(input.id)) issued.push(conversations.append(id, input))
      else if (isEdit)
        issued.push(conversations.append(id, { ...input, id: newId(), replaces: input.id }))
    }
    const replaces =
      trigger === 'regenerate-message' ? this.#replaced(id, messages, messageId) : undefined
    const message_id = newId()
    const agent = this.#agent
    issued.push(
      conversations.reply(id, {
        message_id,
        ...(agent && { agent }),
        ...(replaces && { replaces }),
      }),
    )
    for (const { outcome } of issued) await accepted(outcome)
    return message_id
  }

  /** Undefined if there is no such conversation yet. */
  async #open(id: string): Promise<ConversationView | undefined> {
    const { conversations } = this.#engine
    try {
      return await conversations.open(id)
    } catch (error) {
      if (error instanceof Fault && error.code === 'not_found') return undefined
      throw error
    }
  }

  /** The reply that is written anew: the named one, or the one after the messages that are left. */
  #replaced(id: string, left: readonly Shown[], messageId: string | undefined): string | undefined {
    const { messages = [], removed } = this.#engine.conversations.get(id) ?? {}
    const thread = branchOf(messages, undefined, removed)
    const ids = new Set(left.map((message) => idOf(message.id)))
    const named = thread.find((message) => messageId && message.id === idOf(messageId))
    const next = named?.role === 'assistant' ? named : thread.find(({ id }) => !ids.has(id))
    return next?.role === 'assistant' ? next.id : undefined
  }

  /** @param isStop whether the signal, when it comes, is a person's wish to stop the reply */
  #stream(
    id: string,
    message_id: string,
    signal: AbortSignal | undefined,
    isStop: () => boolean,
  ): ReadableStream<UIMessageChunk> {
    const { conversations } = this.#engine
    const writer = new ChunkWriter(message_id)
    let wasThere = false
    let end = () => {}
    const stop = async () => {
      await Promise.resolve() // a later attempt is known by now
      if (isStop()) conversations.stop(id, message_id)
    }
    return new ReadableStream({
      start: (controller) => {
        const look = () => {
          const held = conversations.get(id)
          const message = held?.messages.find(({ id }) => id === message_id)
          if (message) for (const chunk of writer.next(message)) controller.enqueue(chunk)
          // Deleted, or nobody is signed in any more. Its first change may still be to come.
          else if (wasThere || !held) controller.enqueue({ type: 'abort', reason: 'gone' })
          else return
          wasThere = true
          if (message?.status === 'streaming') return
          end()
          controller.close()
        }
        const unsubscribe = conversations.subscribe(look)
        const aborted = () => void stop()
        end = () => {
          unsubscribe()
          signal?.removeEventListener('abort', aborted)
          conversations.close(id)
        }
        if (signal?.aborted) aborted()
        else signal?.addEventListener('abort', aborted)
        look()
      },
      cancel: () => end(),
    })
  }
}

async function accepted(outcome: IssuedCommand['outcome']): Promise<void> {
  const result = await outcome
  if (result.ok) return
  if (result.reason !== 'failed') throw new Fault('unavailable', { detail: 'It was not sent' })
  const { code, title: _title, type: _type, ...extra } = result.problem
  throw new Fault(code, extra)
}
