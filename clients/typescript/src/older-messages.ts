// Extends a conversation's window backwards. The page of older messages and the live window show
// the conversation at different versions. The page is brought to the window's version by the
// changes that came in between. If some of them were missed, the page is requested again.
import type { WireChange } from '@lockstep/protocol/change'
import type { Conversation } from '@lockstep/protocol/conversations'
import { Fault } from '@lockstep/protocol/errors'
import { isConversation, reduceConversation } from '@lockstep/protocol/reduce/conversation'
import { PAGE_LIMIT, type ConversationState } from './conversation-model.ts'
import { createDeferred } from './deferred.ts'
import type { Entities } from './entities.ts'
import type { Lifetime } from './lifetime.ts'
import type { Call } from './rest/call.ts'
import { getConversation } from './rest/conversations.ts'

const MAX_ATTEMPTS = 5

/** Puts the page before the window in front of it. Throws Fault. */
export async function loadOlderMessages(
  entities: Entities<ConversationState>,
  lifetime: Lifetime,
  call: Call,
  id: string,
): Promise<void> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const before = firstPosition(entities.get(id))
    if (before === undefined) return
    const { generation } = entities
    const changes: WireChange[] = []
    let moved = createDeferred<void>()
    const unwatch = entities.watch(id, (change) => {
      if (change) changes.push(change)
      moved.resolve()
    })
    try {
      const page = await getConversation(call, id, { before, limit: PAGE_LIMIT })
      for (;;) {
        const held = entities.get(id)
        if (entities.generation !== generation || firstPosition(held) !== before) break
        if (held && isConversation(held) && held.version >= page.version) {
          const older = atVersion(held.version, page, changes)
          if (older) return entities.set(id, joined(older, held))
          break
        }
        // The page is newer than the window: the changes in between are on their way.
        await lifetime.race(moved.promise)
        moved = createDeferred<void>()
      }
    } finally {
      unwatch()
    }
  }
  throw new Fault('unavailable', { detail: 'The conversation changes too fast. Try again.' })
}

const firstPosition = (held: ConversationState | undefined): number | undefined =>
  held && isConversation(held) && held.has_more
    ? (held.messages[0] ?? held.removed?.[0])?.position
    : undefined

/** The page at this version; undefined if not all changes up to it were seen. */
function atVersion(
  version: number,
  page: Conversation,
  changes: readonly WireChange[],
): Conversation | undefined {
  let older: Conversation = page
  for (const change of changes) {
    if (change.version <= older.version) continue
    if (change.version !== older.version + 1) return undefined
    const next = reduceConversation(older, change)
    if (!isConversation(next)) return undefined
    older = next
  }
  return older.version === version ? older : undefined
}

function joined(older: Conversation, held: Conversation): Conversation {
  const first = held.messages[0]?.position ?? Infinity
  const before = older.messages.filter(({ position }) => position < first)
  const { has_more } = older
  const messages = [...before, ...held.messages]
  if (!older.removed && !held.removed) return { ...held, messages, has_more }
  return {
    ...held,
    messages,
    removed: [...(older.removed ?? []), ...(held.removed ?? [])],
    has_more,
  }
}
