// What is new in the thread that is open: the messages that came since this person had its end in
// view, on whichever device. The account's read mark says so on all of them.
import type { ConversationView } from '@lockstep/client'
import { lastPosition } from '@lockstep/protocol/reduce/conversation'
import { preferences } from '../../stores/preferences.svelte.ts'

/** The conversation counts as read once the end of its thread has been in view for this long. */
const readAfterMs = 700

interface Watched {
  conversation(): ConversationView | undefined
  isEndShown(): boolean
}

/** To be called while a component is made; ends with it. `count` is reactive. */
export function watchNews({ conversation, isEndShown }: Watched): { readonly count: number } {
  /** The position of the last message when the end was in view, or at first if nobody knows. */
  let seenHere = $state<number>()
  const seen = $derived.by(() => {
    const held = conversation()
    const positions = [seenHere, held && preferences.seenPosition(held.id)]
    return Math.max(...positions.map((position) => position ?? -1))
  })
  const count = $derived(
    seen < 0 ? 0 : conversation()?.messages.filter(({ position }) => position > seen).length,
  )

  $effect(() => {
    const held = conversation()
    if (held?.windowed && preferences.loaded && seen < 0) seenHere = lastPosition(held)
  })
  $effect(() => {
    const held = conversation()
    if (!held?.windowed || held.locked || !isEndShown()) return
    seenHere = lastPosition(held)
    // A reply that is being written isn't read: the user may leave before it ends.
    const isWritten = held.messages.some(({ status }) => status === 'streaming')
    const read = { ...held, message_count: held.message_count - (isWritten ? 1 : 0) }
    const timer = setTimeout(() => preferences.markRead(read), readAfterMs)
    return () => clearTimeout(timer)
  })
  return {
    get count() {
      return count ?? 0
    },
  }
}
