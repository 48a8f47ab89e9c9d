import type { Engine } from '@lockstep/client'
import { openStorage, withPromises } from '@lockstep/persist'
import { legacy_createStore, type UnknownAction } from 'redux'
import { getStoredState, persistReducer, persistStore, REHYDRATE } from 'redux-persist'
import { withMessage, type Chat, type ChatApp } from './chat-app.ts'

interface State {
  chats: readonly Chat[]
  theme: string
}

type Change = UnknownAction & { change?: (state: State) => Partial<State> }

const first: State = { chats: [], theme: 'light' }
const reducer = (state: State = first, { change }: Change): State =>
  change ? { ...state, ...change(state) } : state

export async function createApp(
  engine: Engine,
  localStorage: Pick<Storage, 'getItem' | 'setItem'>,
): Promise<ChatApp> {
  const storage = await openStorage<{ chats: string; theme: string; _persist?: string }>({
    engine,
    before: localStorage,
    shape: {
      toStored: ({ chats = '[]', theme = '"light"' }) => ({
        chats: JSON.parse(chats) as Chat[],
        settings: { theme: JSON.parse(theme) as string },
      }),
      fromStored: ({ chats, settings: { theme = 'light' } }) => ({
        chats: JSON.stringify(chats),
        theme: JSON.stringify(theme),
      }),
    },
  })
  const config = { key: 'app', storage: withPromises(storage) }
  const store = legacy_createStore(persistReducer<State, Change>(config, reducer))
  const persistor = persistStore(store)
  storage.subscribe('persist:app', async () => {
    await persistor.flush() // redux-persist writes a moment later, and reading would undo it
    store.dispatch({ type: REHYDRATE, key: 'app', payload: await getStoredState(config) })
  })
  const set = (change: Change['change']) => store.dispatch({ type: 'set', change })
  return {
    chats: () => store.getState().chats,
    theme: () => store.getState().theme,
    addChat: (id, title) =>
      set(({ chats }) => ({ chats: [{ id, title, messages: [] }, ...chats] })),
    say: (chat_id, id, content) =>
      set(({ chats }) => ({ chats: withMessage(chats, chat_id, id, content) })),
    removeChat: (id) => set(({ chats }) => ({ chats: chats.filter((chat) => chat.id !== id) })),
    setTheme: (theme) => set(() => ({ theme })),
  }
}
