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
