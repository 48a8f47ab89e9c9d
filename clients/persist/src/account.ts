// The account as an app's storage sees it: chats whose messages are all here, and settings.
import { Fault, type ConversationView, type Engine, type MessageView } from '@lockstep/client'
import { idOf } from '@lockstep/client/foreign-ids'
import { branchOf } from '@lockstep/client/protocol'
import type { Stored, StoredChat, StoredMessage } from './shape.ts'

type JsonObject = NonNullable<StoredChat['extra']>

/** Metadata and preferences under which an app's own things are. */
const OWN = 'persist'

const own = (metadata: { [name: string]: unknown }): { id?: string; extra?: JsonObject } => {
  const value = metadata[OWN]
  return typeof value === 'object' && value !== null ? value : {}
}

/** What is kept of a chat or a message that the server has no field for. */
export const ownMetadata = ({ id, extra }: { id: string; extra?: JsonObject }) => ({
  ...((id !== idOf(id) || extra) && {
    metadata: { [OWN]: { ...(id !== idOf(id) && { id }), ...(extra && { extra: { ...extra } }) } },
  }),
})

/** The patch of a conversation's metadata that makes `extra` what an app keeps beside it. */
export const extraPatch = (extra: JsonObject, former: JsonObject = {}) => {
  const gone = Object.keys(former).filter((name) => !Object.hasOwn(extra, name))
  const patch = { ...extra, ...Object.fromEntries(gone.map((name) => [name, null])) }
  return { [OWN]: { extra: patch } }
}

/** @param key of the app's storage */
export const settingsPatch = (key: string, patch: JsonObject) => ({
  [OWN]: { [key]: { ...patch } },
})

export class Account {
  readonly #engine: Engine
  readonly #opened = new Set<string>()
  readonly #extending = new Set<string>()
  readonly #chats = new WeakMap<ConversationView, StoredChat>()

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** Whether everything that the account has can be shown. Begins to load what can't. */
  load(): boolean {
    const { conversations, preferences } = this.#engine
    const list = conversations.list('active')
    if (!list.loaded || !preferences.loaded) return false
    if (list.more && !list.loading) conversations.loadMore('active').catch(() => {})
    const isWhole = list.items.map(({ id }) => this.#loadChat(id))
    return !list.more && isWhole.every(Boolean)
  }

  /** The chats whose messages are here, newest first, and this key's settings. */
  stored(key: string): Stored {
    const { conversations, preferences } = this.#engine
    const chats = conversations
      .list('active')
      .items.map(({ id }) => conversations.get(id))
      .filter((chat) => chat !== undefined)
      .filter(isWhole)
      .map((chat) => this.#chat(chat))
    const all = preferences.value[OWN]
    const settings = typeof all === 'object' && all !== null && !Array.isArray(all) && all[key]
    return {
      chats,
      settings: typeof settings === 'object' && settings ? { ...settings } : {},
    } as Stored
  }

  #loadChat(id: string): boolean {
    const { conversations } = this.#engine
    if (!this.#opened.has(id)) {
      this.#opened.add(id)
      // What can't be read now is loaded again when something changes.
      conversations.open(id).catch(() => this.#opened.delete(id))
    }
    const chat = conversations.get(id)
    if (!chat?.windowed || chat.loading) return false
    if (chat.has_more) void this.#loadOlder(id)
    return !chat.has_more
  }

  /** Page by page. If one can't be read, the next change or connection begins again. */
  async #loadOlder(id: string): Promise<void> {
    const { conversations } = this.#engine
    if (this.#extending.has(id)) return
    this.#extending.add(id)
    try {
      for (let first: string | undefined; ;) {
        const held = conversations.get(id)
        // A page that brought nothing brings nothing again.
        if (!held?.has_more || (first !== undefined && held.messages[0]?.id === first)) return
        first = held.messages[0]?.id ?? ''
        await conversations.loadOlder(id)
      }
    } catch (error) {
      if (!(error instanceof Fault)) throw error
    } finally {
      this.#extending.delete(id)
    }
  }

  #chat(view: ConversationView): StoredChat {
    const known = this.#chats.get(view)
    if (known) return known
    const { id, extra } = own(view.metadata)
    const messages = branchOf(view.messages, undefined, view.removed).map(storedMessage)
    const chat = { id: id ?? view.id, title: view.title, messages, ...(extra && { extra }) }
    this.#chats.set(view, chat)
    return chat
  }
}

const isWhole = ({ windowed, loading, has_more }: ConversationView): boolean =>
  windowed && !loading && !has_more

function storedMessage({ id, role, content, metadata }: MessageView): StoredMessage {
  const { id: foreign, extra } = own(metadata)
  return { id: foreign ?? id, role, content, ...(extra && { extra }) }
}
