import type { Engine } from '@lockstep/client'
import { openStorage } from '@lockstep/persist'
import { withMessage, type Chat, type ChatApp } from './chat-app.ts'

interface State {
  chats: readonly Chat[]
  theme: string
}

export async function createApp(
  engine: Engine,
  localStorage: Pick<Storage, 'getItem' | 'setItem'>,
): Promise<ChatApp> {
  const storage = await openStorage<State>({
    engine,
    before: localStorage,
    shape: {
      toStored: ({ chats, ...settings }) => ({ chats, settings }),
      fromStored: ({ chats, settings }) => ({ theme: 'light', ...settings, chats }),
    },
  })
  const read = (): State => ({
    chats: [],
    theme: 'light',
    ...(JSON.parse(storage.getItem('app') ?? '{}') as Partial<State>),
  })
  let state = read()
  storage.subscribe('app', () => (state = read()))
  const write = (change: Partial<State>) => {
    state = { ...state, ...change }
    storage.setItem('app', JSON.stringify(state))
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
