// Which conversations keep their messages in memory, and how a window grows backwards. The older page and the live window are of
// different moments: the page is brought up to the window's version by the changes that came between, else it is asked for again.
import type { WireChange } from '@lockstep/protocol/change'
import type { Conversation } from '@lockstep/protocol/conversations'
import { Fault } from '@lockstep/protocol/errors'
import { isConversation, reduceConversation } from '@lockstep/protocol/reduce/conversation'
import { createDeferred } from './deferred.ts'
import { PAGE, type ConversationState } from './conversation-model.ts'
import type { Entities } from './entities.ts'
import { getConversation } from './rest/conversations.ts'
import type { Call } from './rest/call.ts'
import type { Lifetime } from './lifetime.ts'

const MOST_CLOSED = 20
const MOST_TRIES = 5

export class MessageWindows {
  readonly #open = new Map<string, number>()
  /** Closed ones, the longest closed first. */
  readonly #closed = new Set<string>()

  has(id: string): boolean {
    return this.#open.has(id) || this.#closed.has(id)
  }

  /** Those that are open; the others lose their place, they aren't worth loading again. */
  onlyOpen(): string[] {
    this.#closed.clear()
    return [...this.#open.keys()]
  }

  open(id: string): void {
    this.#closed.delete(id)
    this.#open.set(id, (this.#open.get(id) ?? 0) + 1)
  }

  /** Returns the conversation that lost its place. */
  close(id: string): string | undefined {
    const times = this.#open.get(id)
    if (times === undefined) return undefined
    if (times > 1) return void this.#open.set(id, times - 1)
    this.#open.delete(id)
    this.#closed.add(id)
    if (this.#closed.size <= MOST_CLOSED) return undefined
    const [oldest] = this.#closed
    this.#closed.delete(oldest!)
    return oldest
  }

  forget(): void {
    this.#open.clear()
    this.#closed.clear()
  }
}

/** Puts the page before the window in front of it. Throws Fault. */
export async function loadOlder(
  entities: Entities<ConversationState>,
  scope: Lifetime,
  call: Call,
  id: string,
): Promise<void> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
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
      const page = await getConversation(call, id, { before, limit: PAGE })
      for (;;) {
        const held = entities.get(id)
        if (entities.generation !== generation || firstPosition(held) !== before) break
        if (held && isConversation(held) && held.version >= page.version) {
          const older = upTo(held, page, changes)
          if (older) return entities.set(id, joined(older, held))
          break
        }
        // The page is ahead of the log: the changes between are on their way.
        await scope.race(moved.promise)
        moved = createDeferred<void>()
      }
    } finally {
      unwatch()
    }
  }
  throw new Fault('unavailable', { detail: 'The conversation changes too fast: try again' })
}

const firstPosition = (held: ConversationState | undefined): number | undefined =>
  held && isConversation(held) && held.has_more ? held.messages[0]?.position : undefined

/** The page as of the window's version; undefined when the changes between weren't all seen. */
function upTo(
  held: Conversation,
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
  return older.version === held.version ? older : undefined
}

function joined(older: Conversation, held: Conversation): Conversation {
  const first = held.messages[0]?.position ?? Infinity
  const before = older.messages.filter(({ position }) => position < first)
  const has_more = (before[0]?.position ?? 1) > 1
  return { ...held, messages: [...before, ...held.messages], has_more }
}
