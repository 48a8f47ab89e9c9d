// Conversations as runes: every read follows the engine's snapshots. The commands are the engine's.
import { createSubscriber } from 'svelte/reactivity'
import type { ConversationView, IssuedCommand, ListState, ListView } from '@lockstep/client'
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
 * has the text or the person has discarded it, with false if the engine ended before or the command
 * failed on this device, as in a chat that turns out to be locked.
 */
export function whenSent({ outcome }: IssuedCommand, message_id: string): Promise<boolean> {
  const isPending = () => topic.outbox.some(({ message_ids }) => message_ids.includes(message_id))
  return new Promise((resolve) => {
    const unsubscribe = topic.subscribe(check)
    function check(): void {
      const isReady = engine.state.name === 'ready'
      if (isReady && isPending()) return
      unsubscribe()
      // The outcome comes first if it has something to say.
      setTimeout(resolve, 0, isReady)
    }
    queueMicrotask(check)
    void outcome.then((end) => {
      if (!end.ok && end.reason === 'failed' && !isPending()) resolve(false)
    })
  })
}
