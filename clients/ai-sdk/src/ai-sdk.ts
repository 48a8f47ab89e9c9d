// The AI SDK's `useChat` over Lockstep. The conversation is the engine's: what this hook shows is
// what every other tab and device shows, whoever has sent, stopped or edited it.
import { useChat, type UseChatHelpers } from '@ai-sdk/react'
import type { Engine, MessageView } from '@lockstep/client'
import { idOf } from '@lockstep/client/foreign-ids'
import { observeConversation } from '@lockstep/client/observe'
import { branchOf } from '@lockstep/client/protocol'
import type { ChatInit, ChatStatus, UIMessage } from 'ai'
import { useMemo, useSyncExternalStore } from 'react'
import { toUIMessage } from './messages.ts'
import { LockstepTransport } from './transport.ts'

export { LockstepTransport, type LockstepTransportOptions } from './transport.ts'
export { toMessageInput, toUIMessage, type LockstepMetadata } from './messages.ts'

export interface LockstepChatOptions<Shown extends UIMessage> extends Omit<
  ChatInit<Shown>,
  'transport' | 'messages'
> {
  readonly engine: Engine
  /** The conversation. Any text names one; the same text is the same conversation everywhere. */
  readonly id: string
  /** The agent that replies. Default: the server's first one. */
  readonly agent?: string
}

export type LockstepChat<Shown extends UIMessage> = UseChatHelpers<Shown>

/**
 * As `useChat`. Every tab and device shows the same messages, follows a reply whoever asked for it,
 * and can stop it; a tab that is opened meanwhile goes on with it.
 */
export function useLockstepChat<Shown extends UIMessage = UIMessage>(
  options: LockstepChatOptions<Shown>,
): LockstepChat<Shown> {
  const { engine, agent, ...init } = options
  const id = idOf(options.id)
  const transport = useMemo(() => new LockstepTransport<Shown>({ engine, agent }), [engine, agent])
  const chat = useChat<Shown>({ ...init, transport })
  const observed = useMemo(() => observeConversation(engine, id), [engine, id])
  const { conversation } = useSyncExternalStore(observed.subscribe, observed.get, observed.get)
  const translate = useMemo(() => translator<Shown>(), [engine, id])
  const thread = branchOf(conversation?.messages ?? [], undefined, conversation?.removed)
  const messages = translate(thread)
  const writing = thread.filter(({ status }) => status === 'streaming')

  return {
    ...chat,
    messages,
    status: statusOf(chat.status, writing),
    async sendMessage(...args) {
      chat.setMessages(messages)
      await chat.sendMessage(...args)
    },
    async regenerate(...args) {
      chat.setMessages(messages)
      await chat.regenerate(...args)
    },
    async stop() {
      for (const { id: message_id } of writing) engine.conversations.stop(id, message_id)
      await chat.stop()
    },
  }
}

/** Translates a thread: the same messages give the same objects. */
function translator<Shown extends UIMessage>(): (thread: readonly MessageView[]) => Shown[] {
  const known = new WeakMap<MessageView, Shown>()
  let last: Shown[] = []
  return (thread) => {
    const shown = thread.map((message) => {
      const made = known.get(message) ?? toUIMessage<Shown>(message)
      known.set(message, made)
      return made
    })
    const isEqual = shown.length === last.length && shown.every((one, at) => one === last[at])
    return (last = isEqual ? last : shown)
  }
}

/** A reply counts whoever has asked for it. */
function statusOf(own: ChatStatus, writing: readonly MessageView[]): ChatStatus {
  const [reply] = writing
  if (!reply) return own
  return reply.content === '' && !reply.parts ? 'submitted' : 'streaming'
}
