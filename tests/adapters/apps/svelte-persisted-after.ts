import type { Engine } from '@lockstep/client'
import { openStorage } from '@lockstep/persist'
import { persistedIn } from '@lockstep/persist/svelte'
import { get } from 'svelte/store'
import { withMessage, type Chat, type ChatApp } from './chat-app.ts'

interface State {
  chats: readonly Chat[]
  theme: string
}

export async function createApp(engine: Engine, localStorage: Storage): Promise<ChatApp> {
  const storage = await openStorage<State>({
    engine,
    before: localStorage,
    shape: {
      toStored: ({ chats, ...settings }) => ({ chats, settings }),
      fromStored: ({ chats, settings }) => ({ theme: 'light', ...settings, chats }),
    },
  })
  const persisted = persistedIn(storage)
  const app = persisted<State>('app', { chats: [], theme: 'light' })
  const change = (next: (state: State) => Partial<State>) =>
    app.update((state) => ({ ...state, ...next(state) }))
  return {
    chats: () => get(app).chats,
    theme: () => get(app).theme,
    addChat: (id, title) =>
      change(({ chats }) => ({ chats: [{ id, title, messages: [] }, ...chats] })),
    say: (chat_id, id, content) =>
      change(({ chats }) => ({ chats: withMessage(chats, chat_id, id, content) })),
    removeChat: (id) => change(({ chats }) => ({ chats: chats.filter((chat) => chat.id !== id) })),
    setTheme: (theme) => change(() => ({ theme })),
  }
}
