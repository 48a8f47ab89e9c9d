import { createJSONStorage, persist } from 'zustand/middleware'
import { createStore } from 'zustand/vanilla'
import { withMessage, type Chat, type ChatApp } from './chat-app.ts'

interface State {
  chats: readonly Chat[]
  theme: string
}

export function createApp(localStorage: Storage): ChatApp {
  const store = createStore<State>()(
    persist((): State => ({ chats: [], theme: 'light' }), {
      name: 'app',
      storage: createJSONStorage(() => localStorage),
    }),
  )
  const { getState, setState } = store
  return {
    chats: () => getState().chats,
    theme: () => getState().theme,
    addChat: (id, title) =>
      setState(({ chats }) => ({ chats: [{ id, title, messages: [] }, ...chats] })),
    say: (chat_id, id, content) =>
      setState(({ chats }) => ({ chats: withMessage(chats, chat_id, id, content) })),
    removeChat: (id) =>
      setState(({ chats }) => ({ chats: chats.filter((chat) => chat.id !== id) })),
    setTheme: (theme) => setState({ theme }),
  }
}
