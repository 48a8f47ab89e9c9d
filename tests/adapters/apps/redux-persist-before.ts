import { legacy_createStore, type UnknownAction } from 'redux'
import { persistReducer, persistStore, type Storage } from 'redux-persist'
import { withMessage, type Chat, type ChatApp } from './chat-app.ts'

interface State {
  chats: readonly Chat[]
  theme: string
}

type Change = UnknownAction & { change?: (state: State) => Partial<State> }

const first: State = { chats: [], theme: 'light' }
const reducer = (state: State = first, { change }: Change): State =>
  change ? { ...state, ...change(state) } : state

export function createApp(localStorage: Storage): ChatApp {
  const config = { key: 'app', storage: localStorage }
  const store = legacy_createStore(persistReducer<State, Change>(config, reducer))
  persistStore(store)
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
