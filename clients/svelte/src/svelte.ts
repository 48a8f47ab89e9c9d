// The client engine for Svelte 5. Each function returns an object whose `current` is reactive: a
// template, a `$derived` or an `$effect` that reads it runs again when the value has changed.
import { getContext, onMount, setContext } from 'svelte'
import { createSubscriber } from 'svelte/reactivity'
import type {
  Engine,
  EngineState,
  IssuedCommand,
  Json,
  ListState,
  ListView,
  MessageView,
  OutboxItem,
} from '@lockstep/client'
import {
  observe,
  observeConnection,
  observeConversation,
  observeList,
  observeMessage,
  observeMessageIds,
  observeOutbox,
  observePreference,
  observeSession,
  type Observed,
  type ObservedConnection,
  type ObservedConversation,
} from '@lockstep/client/observe'

export interface Current<Value> {
  readonly current: Value
}

/** A value, or a function that returns it, so that it may change: `() => id`. */
export type MaybeGetter<Value> = Value | (() => Value)

const contextKey = Symbol('lockstep')

/**
 * Gives the engine to this component and those below it. Starts it when the component is mounted,
 * and stops it when the component is destroyed. Call it while the component is initialized.
 */
export function provideLockstep(engine: Engine): void {
  setContext(contextKey, engine)
  onMount(() => {
    void engine.start()
    return () => void engine.stop()
  })
}

/**
 * The engine, for commands and requests. Throws an Error if no component above has called
 * `provideLockstep`.
 */
export function useEngine(): Engine {
  const engine = getContext<Engine | undefined>(contextKey)
  if (!engine) throw new Error('No component above this one has called provideLockstep')
  return engine
}

const valueOf = <Value extends string>(value: MaybeGetter<Value>): Value =>
  typeof value === 'function' ? value() : value

/**
 * Calls `update` only when the value has really changed. `observed` also reports when it may have.
 */
function onChange<Value>(observed: Observed<Value>, update: () => void): () => void {
  let last = observed.get()
  return observed.subscribe(() => {
    const now = observed.get()
    if (Object.is(now, last)) return
    last = now
    update()
  })
}

/** @param make observes the values of `inputs`; it is called again when one of them has changed */
function current<Value>(
  make: (engine: Engine, ...inputs: string[]) => Observed<Value>,
  ...inputs: MaybeGetter<string>[]
): Current<Value> {
  const engine = useEngine()
  let known: { key: string; observed: Observed<Value>; track: () => void } | undefined
  return {
    get current() {
      const values = inputs.map(valueOf)
      const key = JSON.stringify(values)
      if (known?.key !== key) {
        const observed = make(engine, ...values)
        known = { key, observed, track: createSubscriber((update) => onChange(observed, update)) }
      }
      known.track()
      return known.observed.get()
    },
  }
}

/** A list of conversations, newest first. */
export const useConversations = (state: MaybeGetter<ListState> = 'active'): Current<ListView> =>
  current((engine) => observeList(engine, valueOf(state)), state)

/** A conversation. Its messages are loaded and live while something shows it. */
export const useConversation = (id: MaybeGetter<string>): Current<ObservedConversation> =>
  current((engine, id = '') => observeConversation(engine, id), id)

/**
 * The ids of a conversation's messages, in order. With `useMessage` in each row, a reply that
 * streams updates its own row alone.
 */
export const useMessageIds = (id: MaybeGetter<string>): Current<readonly string[]> =>
  current((engine, id = '') => observeMessageIds(engine, id), id)

/** One message of a conversation whose messages are loaded. */
export const useMessage = (
  id: MaybeGetter<string>,
  message_id: MaybeGetter<string>,
): Current<MessageView | undefined> =>
  current(
    (engine, id = '', message_id = '') => observeMessage(engine, id, message_id),
    id,
    message_id,
  )

/** The commands that the server has not confirmed. */
export const useOutbox = (): Current<readonly OutboxItem[]> => current(observeOutbox)

/** One key of the preferences. `set` changes it on all devices; `null` removes it. */
export function usePreference(
  key: string,
): Current<Json | undefined> & { set(value: Json): IssuedCommand } {
  const engine = useEngine()
  const value = current((engine) => observePreference(engine, key))
  return {
    get current() {
      return value.current
    },
    set: (value) => engine.preferences.update({ [key]: value }),
  }
}

/** Whether this device is live, and what waits for the server. */
export const useConnection = (): Current<ObservedConnection> => current(observeConnection)

/** Whether somebody is signed in, and who. */
export const useSession = (): Current<EngineState> => current(observeSession)

/** Anything that can be computed from the engine. */
export const useLockstep = <Value>(select: (engine: Engine) => Value): Current<Value> =>
  current((engine) => observe(engine, select))
