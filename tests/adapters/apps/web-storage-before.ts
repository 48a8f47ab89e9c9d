import { withMessage, type Chat, type ChatApp } from './chat-app.ts'

interface State {
  chats: readonly Chat[]
  theme: string
}

export function createApp(localStorage: Pick<Storage, 'getItem' | 'setItem'>): ChatApp {
  const read = (): State => ({
    chats: [],
    theme: 'light',
    ...(JSON.parse(localStorage.getItem('app') ?? '{}') as Partial<State>),
  })
  let state = read()
  const write = (change: Partial<State>) => {
    state = { ...state, ...change }
    localStorage.setItem('app', JSON.stringify(state))
  }
  return {
    chats: () => state.chats,
    theme: () => state.theme,
    addChat: (id, title) => write({ chats: [{ id, title, messages: [] }, ...state.chats] }),
    say: (chat_id, id, content) => write({ chats: withMessage(state.chats, chat_id, id, content) }),
    removeChat: (id) => write({ chats: state.chats.filter((chat) => chat.id !== id) }),
    setTheme: (theme) => write({ theme }),
  }
}
