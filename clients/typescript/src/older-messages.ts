// Extends a conversation's window backwards. The page of older messages and the live window show
// the conversation at different versions. The page is brought to the window's version by the
// changes that came in between. If some of them were missed, the page is requested again.
import type { WireChange } from '@lockstep/protocol/change'
import type { Conversation } from '@lockstep/protocol/conversations'
import { Fault } from '@lockstep/protocol/errors'
import type { reduceConversation } from '@lockstep/protocol/reduce/conversation'
import type { ConversationState } from './conversation-model.ts'
import type { Entities } from './entities.ts'
import type { Lifetime } from './lifetime.ts'

const MAX_ATTEMPTS = 5

/** What the engine's first code has. Imports of it here would cut that into more files. */
interface OlderMessagesDeps {
  entities: Entities<ConversationState>
  lifetime: Lifetime
  /** Requests the page before a position. */
  readPage: (before: number) => Promise<Conversation>
  reduce: typeof reduceConversation
}

/** Puts the page before the window in front of it. Throws Fault. */
export async function loadOlderMessages(
  id: string,
  { entities, lifetime, readPage, reduce }: OlderMessagesDeps,
): Promise<void> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const before = firstPosition(entities.get(id))
    if (before === undefined) return
    const { generation } = entities
    const changes: WireChange[] = []
    let moved = () => {}
    const unwatch = entities.watch(id, (change) => {
      if (change) changes.push(change)
      moved()
    })
    try {
      const page = await readPage(before)
      for (;;) {
        const held = entities.get(id)
        if (entities.generation !== generation || firstPosition(held) !== before) break
        if (held && isConversation(held) && held.version >= page.version) {
          const older = atVersion(held.version, page, changes, reduce)
          if (older) return entities.set(id, joined(older, held))
          break
        }
        // The page is newer than the window: the changes in between are on their way.
        await lifetime.race(new Promise<void>((resolve) => (moved = resolve)))
      }
    } finally {
      unwatch()
    }
  }
  throw new Fault('unavailable', { detail: 'The conversation changes too fast. Try again.' })
}

const isConversation = (held: ConversationState): held is Conversation => 'messages' in held

const firstPosition = (held: ConversationState | undefined): number | undefined =>
  held && isConversation(held) && held.has_more
    ? (held.messages[0] ?? held.removed?.[0])?.position
    : undefined

/** The page at this version; undefined if not all changes up to it were seen. */
function atVersion(
  version: number,
  page: Conversation,
  changes: readonly WireChange[],
  reduce: typeof reduceConversation,
): Conversation | undefined {
  let older: Conversation = page
  for (const change of changes) {
    if (change.version <= older.version) continue
    if (change.version !== older.version + 1) return undefined
    const next = reduce(older, change)
    if (!next || !isConversation(next)) return undefined
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
