// Random histories of an app that keeps its chats as one JSON text: two devices with two tabs each,
// which go offline, are reloaded and write everything each time. No turn is lost, unless somebody
// who had seen it has deleted it, and in the end all tabs show the same.
import { beforeAll, expect, test } from 'vitest'
import { idOf } from '@lockstep/client/foreign-ids'
import { openStorage, type PersistedStorage, type Stored } from '@lockstep/persist'
import { isConversation } from '@lockstep/protocol/reduce/conversation'
import { inForm } from '../harness/long-form.ts'
import { randomOf } from '../harness/random.ts'
import { seed } from '../harness/seed.ts'
import { SimulatedUser, type Device } from '../sync/simulated-user.ts'

const HISTORIES = inForm(30, 1000)
const STEPS = 40
const KEY = 'chats'
const shape = { toStored: (value: Stored) => value, fromStored: (stored: Stored) => stored }

/** A tab with the app: it holds a value, and writes all of it after each change. */
class Tab {
  value: Stored = { chats: [], settings: {} }
  readonly device: Device
  readonly #storage: PersistedStorage

  private constructor(device: Device, storage: PersistedStorage) {
    this.device = device
    this.#storage = storage
    const read = () => {
      this.value = JSON.parse(storage.getItem(KEY) ?? '{"chats":[],"settings":{}}') as Stored
    }
    storage.subscribe(KEY, read)
    read()
  }

  static async open(user: SimulatedUser): Promise<Tab> {
    const device = await user.device()
    let storage: PersistedStorage | undefined
    void openStorage({ engine: device.engine, shape }).then((open) => (storage = open))
    // The engine loads the code for older messages in real time, when it first needs it.
    while (!storage) await user.time.pass(10)
    return new Tab(device, storage)
  }

  write(change: Partial<Stored>): void {
    this.value = { ...this.value, ...change }
    this.#storage.setItem(KEY, JSON.stringify(this.value))
  }
}

class History {
  readonly user = new SimulatedUser()
  readonly #random: () => number
  readonly #tabs: Tab[] = []
  /** The id of each turn -> the chat that it is in. */
  readonly turns = new Map<string, string>()
  #count = 0

  constructor(seed: number) {
    this.#random = randomOf(seed)
  }

  async run(): Promise<void> {
    for (let n = 0; n < 4; n++) this.#tabs.push(await Tab.open(this.user))
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
    } else if (kind < 0.65) tab.write({ settings: { ...settings, [`s${at}`]: name } })
    else if (kind < 0.72) tab.device.wire.goOffline()
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
    this.#tabs[at] = await Tab.open(this.user)
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
    const { stored, turns } = history
    const lost = [...turns.keys()].filter((turn) => !stored.has(turn))
    expect(lost, `seed ${own}`).toEqual([])
    const [first, ...others] = history.values
    for (const value of others) expect(value, `seed ${own}`).toEqual(first)
    expect(new Set(first!.chats.map(({ id }) => idOf(id))).size).toBe(first!.chats.length)
  }
}, 600_000)
