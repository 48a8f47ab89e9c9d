// The client engine for React. A component renders again only if the value that its hook returns
// has changed.
import {
  createContext,
  createElement,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useSyncExternalStore,
  type ReactNode,
} from 'react'
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
  blankEngine,
  isShallowEqual,
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

const EngineContext = createContext<Engine | undefined>(undefined)

export interface LockstepProviderProps {
  readonly engine: Engine
  readonly children?: ReactNode
}

/** Starts the engine when it is mounted, stops it when it is unmounted, and gives it to hooks. */
export function LockstepProvider({ engine, children }: LockstepProviderProps): ReactNode {
  useEffect(() => {
    void engine.start()
    return () => void engine.stop()
  }, [engine])
  return createElement(EngineContext, { value: engine }, children)
}

/** The engine, for commands and requests. Throws an Error outside of a `LockstepProvider`. */
export function useEngine(): Engine {
  const engine = useContext(EngineContext)
  if (!engine) throw new Error('This component is not inside a LockstepProvider')
  return engine
}

/** @param key what `make` depends on besides the engine */
function useObserved<Value>(make: (engine: Engine) => Observed<Value>, ...key: string[]): Value {
  const engine = useEngine()
  const observed = useMemo(() => make(engine), [engine, ...key])
  const onServer = useMemo(() => make(blankEngine()), key)
  return useSyncExternalStore(observed.subscribe, observed.get, onServer.get)
}

/** A list of conversations, newest first. */
export const useConversations = (state: ListState = 'active'): ListView =>
  useObserved((engine) => observeList(engine, state), state)

/** A conversation. Its messages are loaded and live while the component is mounted. */
export const useConversation = (id: string): ObservedConversation =>
  useObserved((engine) => observeConversation(engine, id), id)

/**
 * The ids of a conversation's messages, in order. With `useMessage` in each row, a reply that
 * streams renders its own row alone.
 */
export const useMessageIds = (id: string): readonly string[] =>
  useObserved((engine) => observeMessageIds(engine, id), id)

/** One message of a conversation whose messages are loaded. */
export const useMessage = (id: string, message_id: string): MessageView | undefined =>
  useObserved((engine) => observeMessage(engine, id, message_id), id, message_id)

/** The commands that the server has not confirmed. */
export const useOutbox = (): readonly OutboxItem[] => useObserved(observeOutbox)

/** One key of the preferences, and the function that sets it on all devices; `null` removes it. */
export function usePreference(
  key: string,
): readonly [Json | undefined, (value: Json) => IssuedCommand] {
  const engine = useEngine()
  const value = useObserved((engine) => observePreference(engine, key), key)
  const set = useMemo(
    () => (value: Json) => engine.preferences.update({ [key]: value }),
    [engine, key],
  )
  return [value, set]
}

/** Whether this device is live, and what waits for the server. */
export const useConnection = (): ObservedConnection => useObserved(observeConnection)

/** Whether somebody is signed in, and who. */
export const useSession = (): EngineState => useObserved(observeSession)

/**
 * Anything that can be computed from the engine. The component renders again if the result isn't
 * equal to the one before: identical, or an array or object with identical entries.
 */
export function useLockstep<Value>(select: (engine: Engine) => Value): Value {
  const engine = useEngine()
  const last = useRef<{ value: Value } | undefined>(undefined)
  const selected = (from: Engine) => () => {
    const value = select(from)
    if (!last.current || !isShallowEqual(last.current.value, value)) last.current = { value }
    return last.current.value
  }
  return useSyncExternalStore(engine.subscribe, selected(engine), selected(blankEngine()))
}
