// The client engine for Vue 3. Each function returns a ref that holds an immutable snapshot. A
// template or a computed value that reads the ref updates when the snapshot has changed.
import {
  inject,
  onScopeDispose,
  shallowReadonly,
  shallowRef,
  toValue,
  watch,
  type App,
  type InjectionKey,
  type MaybeRefOrGetter,
  type ShallowRef,
} from 'vue'
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

export type Snapshot<Value> = Readonly<ShallowRef<Value>>

const engineKey: InjectionKey<Engine> = Symbol('lockstep')

/**
 * A plugin: `app.use(lockstep(engine))`. It starts the engine, and stops it when the app is
 * unmounted. While a server renders, the engine isn't started.
 */
export const lockstep = (engine: Engine) => ({
  install(app: App): void {
    app.provide(engineKey, engine)
    if (typeof document === 'undefined') return
    void engine.start()
    app.onUnmount(() => void engine.stop())
  },
})

/** The engine, for commands and requests. Throws an Error in an app without the plugin. */
export function useEngine(): Engine {
  const engine = inject(engineKey, undefined)
  if (!engine) throw new Error('This app does not use the plugin `lockstep(engine)`')
  return engine
}

/** @param make observes the values of `inputs`; it is called again when one of them has changed */
function snapshot<Value>(
  make: (engine: Engine, ...inputs: string[]) => Observed<Value>,
  ...inputs: MaybeRefOrGetter<string>[]
): Snapshot<Value> {
  const engine = useEngine()
  const values = () => inputs.map((input) => toValue(input))
  const value = shallowRef(make(engine, ...values()).get())
  if (typeof document === 'undefined') return shallowReadonly(value)
  let end = () => {}
  const follow = (now: string[]) => {
    end()
    const observed = make(engine, ...now)
    end = observed.subscribe(() => (value.value = observed.get()))
    value.value = observed.get()
  }
  watch(values, follow, { immediate: true, flush: 'sync' })
  onScopeDispose(() => end())
  return shallowReadonly(value)
}

/** A list of conversations, newest first. */
export const useConversations = (
  state: MaybeRefOrGetter<ListState> = 'active',
): Snapshot<ListView> => snapshot((engine) => observeList(engine, toValue(state)), state)

/** A conversation. Its messages are loaded and live until the component is unmounted. */
export const useConversation = (id: MaybeRefOrGetter<string>): Snapshot<ObservedConversation> =>
  snapshot((engine, id = '') => observeConversation(engine, id), id)

/**
 * The ids of a conversation's messages, in order. With `useMessage` in each row, a reply that
 * streams updates its own row alone.
 */
export const useMessageIds = (id: MaybeRefOrGetter<string>): Snapshot<readonly string[]> =>
  snapshot((engine, id = '') => observeMessageIds(engine, id), id)

/** One message of a conversation whose messages are loaded. */
export const useMessage = (
  id: MaybeRefOrGetter<string>,
  message_id: MaybeRefOrGetter<string>,
): Snapshot<MessageView | undefined> =>
  snapshot(
    (engine, id = '', message_id = '') => observeMessage(engine, id, message_id),
    id,
    message_id,
  )

/** The commands that the server has not confirmed. */
export const useOutbox = (): Snapshot<readonly OutboxItem[]> => snapshot(observeOutbox)

/** One key of the preferences. `set` changes it on all devices; `null` removes it. */
export function usePreference(key: string): {
  readonly value: Snapshot<Json | undefined>
  set(value: Json): IssuedCommand
} {
  const engine = useEngine()
  return {
    value: snapshot((engine) => observePreference(engine, key)),
    set: (value) => engine.preferences.update({ [key]: value }),
  }
}

/** Whether this device is live, and what waits for the server. */
export const useConnection = (): Snapshot<ObservedConnection> => snapshot(observeConnection)

/** Whether somebody is signed in, and who. */
export const useSession = (): Snapshot<EngineState> => snapshot(observeSession)

/** Anything that can be computed from the engine. */
export const useLockstep = <Value>(select: (engine: Engine) => Value): Snapshot<Value> =>
  snapshot((engine) => observe(engine, select))
