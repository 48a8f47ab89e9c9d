// A storage for apps that keep their chats as one JSON text. It looks like `localStorage`, and what
// it keeps is the user's account. An app writes everything each time, and by then another device
// may have added something that the app doesn't know yet. Therefore a write counts as the
// difference to what this device was given or has written last, and nothing else is touched.
import type { Engine } from '@lockstep/client'
import { idOf } from '@lockstep/client/foreign-ids'
import { equalJson, type MessageInput } from '@lockstep/client/protocol'
import { Account, extraPatch, ownMetadata, settingsPatch } from './account.ts'
import { nothing, type Shape, type Stored, type StoredChat } from './shape.ts'

export type { Shape, Stored, StoredChat, StoredMessage } from './shape.ts'

export interface PersistOptions<Value> {
  /** Started. */
  readonly engine: Engine
  readonly shape: Shape<Value>
  /** Where the app has kept its data so far. What is found there is added to the account once. */
  readonly before?: Pick<Storage, 'getItem' | 'setItem'>
}

export interface PersistedStorage {
  /** The account's value for this key; null if it has nothing yet. */
  getItem(key: string): string | null
  setItem(key: string, text: string): void
  /** Forgets what this device was given. The account keeps everything. */
  removeItem(key: string): void
  /**
   * Calls `listener` when the value of a key that was read may have changed on another device.
   * Returns the function that ends this.
   */
  subscribe(key: string, listener: () => unknown): () => void
}

/** Resolves once everything that the account has is here. */
export async function openStorage<Value>({
  engine,
  shape,
  before,
}: PersistOptions<Value>): Promise<PersistedStorage> {
  const account = new Account(engine)
  await whenever(engine, () => account.load())
  return new AccountStorage(engine, account, shape, before)
}

/** The same with promises, as redux-persist asks for it. */
export const withPromises = ({ getItem, setItem, removeItem }: PersistedStorage) => ({
  getItem: (key: string) => Promise.resolve(getItem(key)),
  setItem: (key: string, text: string) => Promise.resolve(setItem(key, text)),
  removeItem: (key: string) => Promise.resolve(removeItem(key)),
})

class AccountStorage<Value> implements PersistedStorage {
  readonly #engine: Engine
  readonly #account: Account
  readonly #shape: Shape<Value>
  readonly #before: PersistOptions<Value>['before']
  /** By the key: what this device was given or has written last. */
  readonly #known = new Map<string, Stored>()
  /** The keys whose old data this device has read. */
  readonly #added = new Set<string>()
  /** The messages that this device's app has deleted. */
  readonly #deleted = new Set<string>()

  constructor(
    engine: Engine,
    account: Account,
    shape: Shape<Value>,
    before: PersistOptions<Value>['before'],
  ) {
    this.#engine = engine
    this.#account = account
    this.#shape = shape
    this.#before = before
    for (const subscribe of changesOf(engine)) subscribe(() => account.load())
  }

  readonly getItem = (key: string): string | null => {
    this.#addOld(key)
    const stored = this.#account.stored(key)
    this.#known.set(key, stored)
    const isEmpty = stored.chats.length === 0 && Object.keys(stored.settings).length === 0
    return isEmpty ? null : JSON.stringify(this.#shape.fromStored(stored))
  }

  readonly setItem = (key: string, text: string): void => {
    const written = this.#shape.toStored(JSON.parse(text) as Value) // the app's own, as it wrote it
    this.#write(key, written, this.#known.get(key) ?? nothing)
    this.#known.set(key, written)
  }

  readonly removeItem = (key: string): void => {
    this.#known.delete(key)
  }

  readonly subscribe = (key: string, listener: () => unknown): (() => void) => {
    const look = () => {
      const known = this.#known.get(key)
      if (known && !equalJson(this.#account.stored(key), known)) listener()
    }
    const ends = changesOf(this.#engine).map((subscribe) => subscribe(look))
    return () => ends.forEach((end) => end())
  }

  /** What the app has kept without an account is added to it, and nothing is taken away. */
  #addOld(key: string): void {
    const mark = `lockstep:imported:${key}`
    const text = this.#before?.getItem(key)
    if (!text || this.#added.has(key) || this.#before?.getItem(mark)) return
    this.#added.add(key)
    const old = this.#shape.toStored(JSON.parse(text) as Value) // the app's own, as it wrote it
    const present = this.#account.stored(key)
    this.#write(
      key,
      { ...old, settings: { ...old.settings, ...present.settings } },
      {
        ...nothing,
        settings: present.settings,
      },
    )
    void this.#whenSent().then((isSent) => {
      if (isSent) this.#before?.setItem(mark, new Date().toISOString())
    })
  }

  /** Whether the server gets everything that waits now, before the engine stops. */
  async #whenSent(): Promise<boolean> {
    const engine = this.#engine
    const waiting = new Set(engine.outbox.map(({ mutation_id }) => mutation_id))
    const isRunning = () => engine.state.name === 'ready'
    const isSent = () => !engine.outbox.some(({ mutation_id }) => waiting.has(mutation_id))
    await whenever(engine, () => !isRunning() || isSent())
    return isRunning()
  }

  #write(key: string, written: Stored, known: Stored): void {
    const { preferences } = this.#engine
    const chats = new Map(written.chats.map((chat) => [chat.id, chat]))
    const before = new Map(known.chats.map((chat) => [chat.id, chat]))
    for (const chat of [...written.chats].reverse()) this.#writeChat(chat, before.get(chat.id))
    for (const chat of known.chats) if (!chats.has(chat.id)) void this.#delete(chat)
    const patch = mergePatchOf(known.settings, written.settings)
    if (Object.keys(patch).length > 0) preferences.update(settingsPatch(key, patch))
    this.#account.load()
  }

  /** Into the trash. What this device hadn't seen comes back, without what it had. */
  async #delete(chat: StoredChat): Promise<void> {
    const { conversations } = this.#engine
    const id = idOf(chat.id)
    const seen = new Set(chat.messages.map((message) => idOf(message.id)))
    for (const name of seen) this.#deleted.add(name)
    const { ok } = await conversations.delete(id).outcome
    const left = conversations.get(id)
    if (!ok || !left?.deleted_at || left.messages.every((message) => seen.has(message.id))) return
    conversations.restore(id)
    const gone = left.messages.flatMap((message) => (seen.has(message.id) ? message.id : []))
    if (gone.length > 0) conversations.deleteMessages(id, gone)
  }

  /**
   * A chat that another device has put into the trash meanwhile comes back, unless this device has
   * deleted the message since.
   */
  async #append(id: string, message: MessageInput & { id: string }): Promise<void> {
    const { conversations } = this.#engine
    const { mutation_id, outcome } = conversations.append(id, message)
    const result = await outcome
    if (result.ok || result.reason !== 'failed' || result.problem.code !== 'not_found') return
    conversations.outbox.find((item) => item.mutation_id === mutation_id)?.discard()
    if (this.#deleted.has(message.id)) return
    const restored = await conversations.restore(id).outcome
    if (restored.ok) await this.#append(id, message)
  }

  #writeChat(chat: StoredChat, before: StoredChat | undefined): void {
    const { conversations } = this.#engine
    const id = idOf(chat.id)
    const { title, extra = {} } = chat
    if (!before && !conversations.get(id)) conversations.create({ id, title, ...ownMetadata(chat) })
    else if (before && title !== before.title) conversations.rename(id, title)
    if (before && !equalJson(extra, before.extra ?? {}))
      conversations.update(id, { metadata: extraPatch(extra, before.extra) })
    const messages = new Map(before?.messages.map((message) => [message.id, message]))
    const present = new Set(conversations.get(id)?.messages.map((message) => message.id))
    for (const message of chat.messages) {
      const former = messages.get(message.id)
      const message_id = idOf(message.id)
      const { role, content } = message
      if (!former && !present.has(message_id))
        void this.#append(id, { id: message_id, role, content, ...ownMetadata(message) })
      else if (former && former.content !== content && present.has(message_id))
        conversations.edit(id, message_id, content)
    }
    const left = new Set(chat.messages.map((message) => message.id))
    const gone = [...messages.keys()].filter((name) => !left.has(name)).map(idOf)
    for (const name of gone) this.#deleted.add(name)
    const deleted = gone.filter((name) => present.has(name))
    for (const item of conversations.outbox)
      if (item.status === 'failed' && item.message_ids.some((name) => deleted.includes(name)))
        item.discard()
    if (deleted.length > 0) conversations.deleteMessages(id, deleted)
  }
}

/** The merge patch (RFC 7396) that changes what is different at the top level. */
function mergePatchOf(from: Stored['settings'], to: Stored['settings']): Stored['settings'] {
  const changed = Object.entries(to).filter(([name, value]) => !equalJson(value, from[name]))
  const gone = Object.keys(from).filter((name) => !Object.hasOwn(to, name))
  return Object.fromEntries([...changed, ...gone.map((name) => [name, null] as const)])
}

async function whenever(engine: Engine, holds: () => boolean): Promise<void> {
  if (holds()) return
  await new Promise<void>((resolve) => {
    const look = () => {
      if (!holds()) return
      for (const end of ends) end()
      resolve()
    }
    const ends = changesOf(engine).map((subscribe) => subscribe(look))
  })
}

/** The engine itself tells when the connection is back, and what couldn't be read can be. */
const changesOf = (engine: Engine) =>
  [engine, engine.conversations, engine.preferences].map(({ subscribe }) => subscribe)
