import { persisted } from 'svelte-persisted-store'
import { get } from 'svelte/store'
import { withMessage, type Chat, type ChatApp } from './chat-app.ts'

interface State {
  chats: readonly Chat[]
  theme: string
}

export function createApp(): ChatApp {
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
