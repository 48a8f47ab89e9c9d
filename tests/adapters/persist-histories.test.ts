// Random histories of an app that keeps its chats as one JSON text: two devices with two tabs each,
// which go offline, are reloaded and write everything each time. A tab keeps its value by itself,
// or in a store of zustand or of svelte-persisted-store. No turn is lost, unless somebody who had
// seen it has deleted it, no setting is lost, and in the end all tabs show the same.
import { get } from 'svelte/store'
import { beforeAll, expect, test } from 'vitest'
import { createJSONStorage, persist } from 'zustand/middleware'
import { createStore } from 'zustand/vanilla'
import { idOf } from '@lockstep/client/foreign-ids'
import { openStorage, type PersistedStorage, type Stored } from '@lockstep/persist'
import { persistedIn } from '@lockstep/persist/svelte'
import { isConversation } from '@lockstep/protocol/reduce/conversation'
import { inForm } from '../harness/long-form.ts'
import { randomOf } from '../harness/random.ts'
import { seed } from '../harness/seed.ts'
import { SimulatedUser, type Device } from '../sync/simulated-user.ts'

const HISTORIES = inForm(30, 1000)
const STEPS = 40
const KEY = 'chats'
const empty: Stored = { chats: [], settings: {} }

/** What zustand-persist writes. */
interface Versioned {
  state: Stored
  version: number
}
const shapes = {
  plain: { toStored: (value: Stored) => value, fromStored: (stored: Stored) => stored },
  versioned: {
    toStored: ({ state }: Versioned) => state,
    fromStored: (state: Stored) => ({ state, version: 0 }),
  },
}

/** Where an app has its value in memory. Whoever sets it writes all of it to the storage. */
interface Held {
  get(): Stored
  set(value: Stored): void
}

const kinds = {
  itself: (storage: PersistedStorage): Held => {
    const read = () => JSON.parse(storage.getItem(KEY) ?? JSON.stringify(empty)) as Stored
    let value = read()
    storage.subscribe(KEY, () => (value = read()))
    return {
      get: () => value,
      set: (next) => {
        value = next
        storage.setItem(KEY, JSON.stringify(value))
      },
    }
  },
  zustand: (storage: PersistedStorage): Held => {
    const options = { name: KEY, storage: createJSONStorage<Stored>(() => storage) }
    const store = createStore<Stored>()(persist(() => empty, options))
    storage.subscribe(KEY, () => void store.persist.rehydrate())
    return { get: () => store.getState(), set: (value) => store.setState(value) }
  },
  svelte: (storage: PersistedStorage): Held => {
    const store = persistedIn(storage)(KEY, empty)
    return { get: () => get(store), set: (value) => store.set(value) }
  },
}
type Kind = keyof typeof kinds

/** A tab with the app: it holds a value, and writes all of it after each change. */
class Tab {
  readonly device: Device
  readonly #held: Held

  private constructor(device: Device, held: Held) {
    this.device = device
    this.#held = held
  }

  static async open(user: SimulatedUser, kind: Kind = 'itself'): Promise<Tab> {
    const device = await user.device()
    const { engine } = device
    let storage: PersistedStorage | undefined
    const opening =
      kind === 'zustand'
        ? openStorage({ engine, shape: shapes.versioned })
        : openStorage({ engine, shape: shapes.plain })
    void opening.then((open) => (storage = open))
    // The engine loads the code for older messages in real time, when it first needs it.
    while (!storage) await user.time.pass(10)
    return new Tab(device, kinds[kind](storage))
  }

  get value(): Stored {
    return this.#held.get()
  }

  write(change: Partial<Stored>): void {
    this.#held.set({ ...this.value, ...change })
  }
}

/** Two on each of two devices. */
const tabs: readonly Kind[] = ['itself', 'svelte', 'zustand', 'svelte']

class History {
  readonly user = new SimulatedUser()
  readonly #random: () => number
  readonly #tabs: Tab[] = []
  /** The id of each turn -> the chat that it is in. */
  readonly turns = new Map<string, string>()
  /** Each tab has a setting that no other one writes. */
  readonly settings: Record<string, string> = {}
  #count = 0

  constructor(seed: number) {
    this.#random = randomOf(seed)
  }

  async run(): Promise<void> {
    for (const kind of tabs) this.#tabs.push(await Tab.open(this.user, kind))
    for (let n = 0; n < STEPS; n++) await this.#step()
    for (const { device } of this.#tabs) {
      device.wire.goOnline()
      device.engine.nudge()
    }
    await this.user.quiet()
  }

  /** What the server has, by the turn's id. */
  get stored(): Set<string> {
    const conversations = [...this.user.server.conversations.values()].filter(isConversation)
    const active = conversations.filter(({ deleted_at }) => deleted_at === null)
    return new Set(active.flatMap(({ messages }) => messages.map(({ content }) => content)))
  }

  get values(): Stored[] {
    return this.#tabs.map(({ value }) => value)
  }

  async #step(): Promise<void> {
    const at = Math.floor(this.#random() * this.#tabs.length)
    const tab = this.#tabs[at]!
    const { chats, settings } = tab.value
    const chat = chats[Math.floor(this.#random() * chats.length)]
    const other = (changed: object) =>
      tab.write({ chats: chats.map((one) => (one === chat ? { ...one, ...changed } : one)) })
    const kind = this.#random()
    const name = `n${this.#count++}`
    if (kind < 0.1 || !chat) {
      this.turns.set(name, `chat-${name}`)
      const messages = [this.#turn(name)]
      tab.write({ chats: [{ id: `chat-${name}`, title: name, messages }, ...chats] })
    } else if (kind < 0.45) {
      this.turns.set(name, chat.id)
      other({ messages: [...chat.messages, this.#turn(name)] })
    } else if (kind < 0.5) other({ title: name })
    else if (kind < 0.54) {
      for (const { content } of chat.messages) this.turns.delete(content)
      tab.write({ chats: chats.filter((one) => one !== chat) })
    } else if (kind < 0.58) {
      const [first, ...left] = chat.messages
      if (first) this.turns.delete(first.content)
      other({ messages: left })
    } else if (kind < 0.65) {
      this.settings[`s${at}`] = name
      tab.write({ settings: { ...settings, [`s${at}`]: name } })
    } else if (kind < 0.72) tab.device.wire.goOffline()
    else if (kind < 0.8) {
      tab.device.wire.goOnline()
      tab.device.engine.nudge()
    } else if (kind < 0.84 && tab.device.engine.unsent === 0) await this.#reload(at)
    else await this.user.time.pass(this.#random() * 3_000)
  }

  #turn = (name: string) => ({ id: `m-${name}`, role: 'user' as const, content: name })

  async #reload(at: number): Promise<void> {
    const { device } = this.#tabs[at]!
    await device.engine.stop()
    device.wire.goOffline()
    this.#tabs[at] = await Tab.open(this.user, tabs[at])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.user[Symbol.asyncDispose]()
  }
}

beforeAll(async () => {
  await using user = new SimulatedUser()
  const tab = await Tab.open(user)
  const messages = Array.from({ length: 20 }, (_, n) => ({
    id: `m-${n}`,
    role: 'user' as const,
    content: `${n}`,
  }))
  tab.write({ chats: [{ id: 'long', title: 'Long', messages }] })
  await user.quiet()
  const other = await Tab.open(user)
  expect(other.value).toEqual(tab.value)
})

test(`${HISTORIES} histories of two tabs and two devices lose no turn`, async () => {
  for (let n = 0; n < HISTORIES; n++) {
    const own = (seed + n) | 0
    await using history = new History(own)
    await history.run()
    const { stored, turns, settings } = history
    const lost = [...turns.keys()].filter((turn) => !stored.has(turn))
    expect(lost, `seed ${own}`).toEqual([])
    const [first, ...others] = history.values
    expect(first!.settings, `seed ${own}`).toEqual(settings)
    for (const value of others) expect(value, `seed ${own}`).toEqual(first)
    expect(new Set(first!.chats.map(({ id }) => idOf(id))).size).toBe(first!.chats.length)
  }
}, 600_000)
