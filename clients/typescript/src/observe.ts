// Values of an engine that a UI framework can watch. The packages for React, Svelte and Vue are
// thin layers over these functions, so that all of them show the same thing at the same time.
import type { Json } from '@lockstep/protocol/free-form'
import { Fault, toProblem } from '@lockstep/protocol/errors'
import type { Problem } from '@lockstep/protocol/problem'
import type { ConnectionState } from './connection-manager.ts'
import { createEngine, type Engine, type EngineState } from './engine.ts'
import { Memo } from './memo.ts'
import type { ConversationView, ListState, ListView, MessageView, OutboxItem } from './views.ts'

export interface Observed<Value> {
  /** Calls `listener` after the value may have changed. Returns the function that ends this. */
  readonly subscribe: (listener: () => void) => () => void
  /** The present value: the same object until it has changed. */
  readonly get: () => Value
}

/**
 * A list of conversations, newest first. A conversation is the same object until something but its
 * `version` has changed: each piece of a reply raises the version, and shows in no list.
 */
export function observeList(engine: Engine, state: ListState): Observed<ListView> {
  let [known, shown]: (ListView | undefined)[] = []
  return {
    subscribe: engine.conversations.subscribe,
    get() {
      const now = engine.conversations.list(state)
      if (!shown || now !== known) shown = shown ? keepingShown(shown, now) : now
      known = now
      return shown
    },
  }
}

/** `now` with the objects of `shown` in place of those that look the same. */
function keepingShown(shown: ListView, now: ListView): ListView {
  const before = new Map(shown.items.map((item) => [item.id, item]))
  const items = now.items.map((item) => {
    const last = before.get(item.id)
    return last && isShallowEqual({ ...last, version: 0 }, { ...item, version: 0 }) ? last : item
  })
  const view = { ...now, items: isShallowEqual(shown.items, items) ? shown.items : items }
  return isShallowEqual(shown, view) ? shown : view
}

export interface ObservedConversation {
  /** Undefined while it loads, if it is unknown, and after it was purged. */
  readonly conversation: ConversationView | undefined
  /** Why it can't be shown; `not_found` for one that doesn't exist. */
  readonly problem: Problem | undefined
}

/** A conversation. Its messages are loaded and live while somebody is subscribed. */
export function observeConversation(engine: Engine, id: string): Observed<ObservedConversation> {
  const memo = new Memo<ObservedConversation>()
  let problem: Problem | undefined
  return {
    get() {
      const conversation = engine.conversations.get(id)
      return memo.get([conversation, problem], () => ({ conversation, problem }))
    },
    subscribe(listener) {
      const ends = [
        engine.conversations.subscribe(listener),
        keepOpen(engine, id, (reason) => {
          problem = reason
          listener()
        }),
      ]
      return () => ends.forEach((end) => end())
    },
  }
}

/** Opens a conversation now and in each later session. Returns the function that closes it. */
function keepOpen(
  engine: Engine,
  id: string,
  opened: (problem: Problem | undefined) => void,
): () => void {
  let session: EngineState | undefined
  let isEnded = false
  const follow = () => {
    if (engine.state.name !== 'ready' || engine.state === session) return
    session = engine.state
    const settle = (problem?: Problem) => {
      if (!isEnded && session === engine.state) opened(problem)
    }
    engine.conversations.open(id).then(
      () => settle(),
      (error: unknown) => {
        if (!(error instanceof Fault)) throw error
        settle(toProblem(error))
      },
    )
  }
  const end = engine.subscribe(follow)
  follow()
  return () => {
    isEnded = true
    end()
    if (session !== undefined && session === engine.state) engine.conversations.close(id)
  }
}

/**
 * The ids of a conversation's messages, in order. They change with the messages that exist and not
 * with their text, so a list of rows doesn't render while a reply streams into one of them.
 */
export const observeMessageIds = (engine: Engine, id: string): Observed<readonly string[]> => ({
  ...observe(
    engine,
    ({ conversations }) => conversations.get(id)?.messages.map((message) => message.id) ?? [],
  ),
  subscribe: observeConversation(engine, id).subscribe,
})

/** One message of a conversation whose messages are loaded. */
export const observeMessage = (
  engine: Engine,
  id: string,
  message_id: string,
): Observed<MessageView | undefined> => ({
  subscribe: engine.conversations.subscribe,
  get: () => engine.conversations.get(id)?.messages.find((message) => message.id === message_id),
})

/** The commands that the server has not confirmed. */
export const observeOutbox = (engine: Engine): Observed<readonly OutboxItem[]> => ({
  subscribe: engine.subscribe,
  get: () => engine.outbox,
})

/** One key of the preferences; undefined if it isn't set. */
export const observePreference = (engine: Engine, key: string): Observed<Json | undefined> => ({
  subscribe: engine.preferences.subscribe,
  get: () => engine.preferences.value[key],
})

export interface ObservedConnection {
  readonly state: ConnectionState
  /** How many commands wait for the server. */
  readonly unsent: number
  /** Why the engine can't start, or has stopped. */
  readonly problem: Problem | undefined
}

export function observeConnection(engine: Engine): Observed<ObservedConnection> {
  const memo = new Memo<ObservedConnection>()
  return {
    subscribe: engine.subscribe,
    get() {
      const { connection: state, unsent } = engine
      const problem = 'problem' in engine.state ? engine.state.problem : undefined
      return memo.get([state, unsent, problem], () => ({ state, unsent, problem }))
    },
  }
}

/** Whether somebody is signed in, and who. */
export const observeSession = (engine: Engine): Observed<EngineState> => ({
  subscribe: engine.subscribe,
  get: () => engine.state,
})

/**
 * Anything that can be computed from the engine. The value stays the same object while the results
 * are equal: identical, or arrays or plain objects whose entries are identical.
 */
export function observe<Value>(engine: Engine, select: (engine: Engine) => Value): Observed<Value> {
  let known: { value: Value } | undefined
  return {
    subscribe: engine.subscribe,
    get() {
      const value = select(engine)
      if (!known || !isShallowEqual(known.value, value)) known = { value }
      return known.value
    },
  }
}

/** Whether two values are identical, or arrays or plain objects whose entries are. */
export function isShallowEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (!isCollection(a) || !isCollection(b) || Array.isArray(a) !== Array.isArray(b)) return false
  const [one, other] = [Object.entries(a), new Map(Object.entries(b))]
  return (
    one.length === other.size &&
    one.every(([key, value]) => other.has(key) && Object.is(value, other.get(key)))
  )
}

const isCollection = (value: unknown): value is object =>
  Array.isArray(value) ||
  (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype)

let blank: Engine | undefined
/**
 * An engine that never starts. Its values are those of a page that a server renders, where nobody
 * is signed in.
 */
export const blankEngine = (): Engine => (blank ??= createEngine({ origin: '' }))
