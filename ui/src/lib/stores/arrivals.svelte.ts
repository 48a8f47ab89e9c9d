// The chats that somebody or something else began while this page was open and that no device has
// shown yet. Chats that were there before aren't news, and what the user wrote elsewhere isn't
// either.
import { engine } from './engine.ts'

/** New chats are at the top of the list. */
const newest = 5
const topic = engine.conversations
const known = new Set<string>()
let arrivals = $state.raw<ReadonlySet<string>>(new Set())
let isFilled = false

/** The page doesn't know who wrote last in a chat that isn't open, so it asks the server. */
async function check(id: string): Promise<void> {
  try {
    const { messages } = await engine.call('getConversation', {
      params: { id },
      query: { limit: 1 },
    })
    if (messages.at(-1)?.role === 'assistant') arrivals = new Set([...arrivals, id])
  } catch {
    // deleted meanwhile, or the connection is lost: then it isn't news
  }
}

function look(): void {
  if (!topic.loaded) return
  const { items } = topic.list('active')
  for (const { id, delivery, metadata } of isFilled ? items.slice(0, newest) : items) {
    if (known.has(id)) continue
    known.add(id)
    // What this page creates is in its outbox at first.
    const isFromElsewhere = delivery === 'sent' && metadata.imported_from === undefined
    if (isFilled && isFromElsewhere) void check(id)
  }
  isFilled = true
}
topic.subscribe(look)

/** Whether the chat arrived while this page was open; reactive. */
export const hasArrived = (id: string): boolean => arrivals.has(id)
