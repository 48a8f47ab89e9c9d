import type { Engine } from '@lockstep/client'
import { openStorage } from '@lockstep/persist'
import { createJSONStorage, persist } from 'zustand/middleware'
import { createStore } from 'zustand/vanilla'
import { withMessage, type Chat, type ChatApp } from './chat-app.ts'

interface State {
  chats: readonly Chat[]
  theme: string
}

export async function createApp(engine: Engine, localStorage: Storage): Promise<ChatApp> {
  const storage = await openStorage<{ state: State; version: number }>({
    engine,
    before: localStorage,
    shape: {
      toStored: ({ state: { chats, ...settings } }) => ({ chats, settings }),
      fromStored: ({ chats, settings }) => ({
        state: { theme: 'light', ...settings, chats },
        version: 0,
      }),
    },
  })
  const store = createStore<State>()(
    persist((): State => ({ chats: [], theme: 'light' }), {
      name: 'app',
      storage: createJSONStorage(() => storage),
    }),
  )
  storage.subscribe('app', () => void store.persist.rehydrate())
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
