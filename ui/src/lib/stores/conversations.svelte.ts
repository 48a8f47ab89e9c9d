// Conversations as runes: every read follows the engine's snapshots. The commands are the engine's.
import { createSubscriber } from 'svelte/reactivity'
import type { ConversationView, ListState, ListView } from '@lockstep/client'
import { engine } from './engine.ts'

const topic = engine.conversations
const track = createSubscriber((update) => topic.subscribe(update))

/** The engine's commands (`create`, `append`, `rename`, …). */
export const commands = topic

export const conversations = {
  get loaded(): boolean {
    track()
    return topic.loaded
  },
  list(state: ListState): ListView {
    track()
    return topic.list(state)
  },
  get(id: string): ConversationView | undefined {
    track()
    return topic.get(id)
  },
  /** The commands that are pending for this conversation, or that failed. */
  outbox(id: string) {
    return this.get(id)?.outbox ?? []
  },
}

/**
 * Resolves when no command that writes this message waits or has failed: with true if the server
 * has the text or the person has discarded it, with false if the engine ended before.
 */
export function whenSent(message_id: string): Promise<boolean> {
  return new Promise((resolve) => {
    const unsubscribe = topic.subscribe(check)
    function check(): void {
      const isReady = engine.state.name === 'ready'
      const isPending = topic.outbox.some(({ message_ids }) => message_ids.includes(message_id))
      if (isReady && isPending) return
      unsubscribe()
      resolve(isReady)
    }
    queueMicrotask(check)
  })
}
