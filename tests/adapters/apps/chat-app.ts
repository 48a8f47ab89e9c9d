import type { StoredChat } from '@lockstep/persist'

/** What each of the small apps can do. */
export interface ChatApp {
  chats(): readonly Chat[]
  theme(): string
  addChat(id: string, title: string): void
  say(chat_id: string, id: string, content: string): void
  removeChat(id: string): void
  setTheme(theme: string): void
}

export type Chat = StoredChat

export const withMessage = (
  chats: readonly Chat[],
  chat_id: string,
  id: string,
  content: string,
): Chat[] =>
  chats.map((chat) =>
    chat.id === chat_id
      ? { ...chat, messages: [...chat.messages, { id, role: 'user', content }] }
      : chat,
  )
