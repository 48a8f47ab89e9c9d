// Four small apps before and after they became multi-device: on web storage, with zustand-persist,
// with redux-persist and with svelte-persisted-store. Each is changed in at most 30 lines.
import { readFile } from 'node:fs/promises'
import { expect, test, vi } from 'vitest'
import type { Engine } from '@lockstep/client'
import { openStorage, type Stored } from '@lockstep/persist'
import { SimulatedUser } from '../sync/simulated-user.ts'
import type { ChatApp } from './apps/chat-app.ts'
import { createApp as reduxAfter } from './apps/redux-persist-after.ts'
import { createApp as reduxBefore } from './apps/redux-persist-before.ts'
import { createApp as svelteAfter } from './apps/svelte-persisted-after.ts'
import { createApp as svelteBefore } from './apps/svelte-persisted-before.ts'
import { createApp as webAfter } from './apps/web-storage-after.ts'
import { createApp as webBefore } from './apps/web-storage-before.ts'
import { createApp as zustandAfter } from './apps/zustand-after.ts'
import { createApp as zustandBefore } from './apps/zustand-before.ts'

/** The storage of one browser. */
class LocalStorage implements Storage {
  readonly #texts = new Map<string, string>()
  get length(): number {
    return this.#texts.size
  }
  key = (index: number) => [...this.#texts.keys()][index] ?? null
  getItem = (key: string) => this.#texts.get(key) ?? null
  setItem = (key: string, text: string) => void this.#texts.set(key, text)
  removeItem = (key: string) => void this.#texts.delete(key)
  clear = () => this.#texts.clear()
}

const promised = (storage: LocalStorage) => ({
  getItem: (key: string) => Promise.resolve(storage.getItem(key)),
  setItem: (key: string, text: string) => Promise.resolve(storage.setItem(key, text)),
  removeItem: (key: string) => Promise.resolve(storage.removeItem(key)),
})

/** svelte-persisted-store takes the storage of the browser that it finds itself in. */
const inBrowser = (before: () => ChatApp) => (localStorage: LocalStorage) => {
  const window = Object.assign(new EventTarget(), { localStorage })
  for (const [name, value] of Object.entries({ window, document: {}, localStorage }))
    vi.stubGlobal(name, value)
  return before()
}

interface App {
  before(storage: LocalStorage): ChatApp
  after(engine: Engine, storage: LocalStorage): Promise<ChatApp>
}
const apps: Record<string, App> = {
  'web-storage': { before: webBefore, after: webAfter },
  zustand: { before: zustandBefore, after: zustandAfter },
  'svelte-persisted': { before: inBrowser(svelteBefore), after: svelteAfter },
  'redux-persist': { before: (storage) => reduxBefore(promised(storage)), after: reduxAfter },
}

/** These libraries write a moment later, in real time, and the engine's time is virtual. */
async function until(user: SimulatedUser, holds: () => boolean): Promise<void> {
  while (!holds()) await user.time.pass(50)
}

const contents = (app: ChatApp) =>
  app.chats().map(({ title, messages }) => [title, ...messages.map(({ content }) => content)])

test.each(Object.keys(apps))(
  'an app on %s becomes multi-device: what it had before is there once, and devices lose nothing of each other',
  async (name) => {
    const { before, after } = apps[name]!
    const [old, other] = [new LocalStorage(), new LocalStorage()]
    await using user = new SimulatedUser()

    // A person has used the app on one device, without an account.
    const alone = before(old)
    alone.addChat('holiday', 'Holiday')
    alone.say('holiday', 'm1', 'Where to?')
    alone.setTheme('dark')
    await until(user, () =>
      [...Array(old.length).keys()].some((at) => old.key(at)?.includes('app')),
    )
    await until(user, () => JSON.stringify(old.getItem(old.key(0)!)).includes('dark'))

    vi.unstubAllGlobals()

    const start = async (storage: LocalStorage): Promise<ChatApp> => {
      const { engine } = await user.device()
      let app: ChatApp | undefined
      void after(engine, storage).then((opened) => (app = opened))
      await until(user, () => app !== undefined)
      return app!
    }
    const laptop = await start(old)
    await until(user, () => contents(laptop).length === 1)
    expect([contents(laptop), laptop.theme()]).toEqual([[['Holiday', 'Where to?']], 'dark'])

    // The phone has nothing of its own, and shows the same.
    const phone = await start(other)
    await until(user, () => contents(phone).length === 1)
    expect([contents(phone), phone.theme()]).toEqual([contents(laptop), 'dark'])

    // Both write at once; neither knows yet what the other has written.
    phone.say('holiday', 'm2', 'To the sea')
    laptop.say('holiday', 'm3', 'To the mountains')
    phone.addChat('food', 'Food')
    laptop.setTheme('light')
    const both = () =>
      [laptop, phone].every((app) => {
        const shown = JSON.stringify(contents(app))
        const has = ['To the sea', 'To the mountains', 'Food'].every((text) => shown.includes(text))
        return has && app.theme() === 'light'
      })
    await until(user, both)
    await user.quiet()
    expect(contents(laptop)).toEqual(contents(phone))
    expect(contents(laptop)).toHaveLength(2)

    // What one deletes is gone on the other, and old data of the first device doesn't come back.
    phone.removeChat('holiday')
    await until(user, () => contents(laptop).length === 1)
    const again = await start(old)
    await until(user, () => contents(again).length === 1)
    expect(contents(again)).toEqual([['Food']])

    const lines = async (form: string) =>
      (await readFile(`${import.meta.dirname}/apps/${name}-${form}.ts`, 'utf8')).split('\n')
    const [was, is] = [await lines('before'), await lines('after')]
    const left = [...was]
    const added = is.filter((line) => {
      const at = left.indexOf(line)
      if (at >= 0) left.splice(at, 1)
      return at < 0
    })
    expect(added.length).toBeLessThanOrEqual(30)
  },
)

test('what an app had before is added again until all of it is in the account, and then never again', async () => {
  await using user = new SimulatedUser()
  const before = new LocalStorage()
  const messages = [{ id: 'm', role: 'user' as const, content: 'Hello' }]
  const old: Stored = { chats: [{ id: 'c', title: 'C', messages }], settings: { a: 1 } }
  before.setItem('k', JSON.stringify(old))
  const shape = { toStored: (value: Stored) => value, fromStored: (stored: Stored) => stored }
  const open = async () => {
    const device = await user.device()
    let storage: Awaited<ReturnType<typeof openStorage>> | undefined
    void openStorage({ engine: device.engine, shape, before }).then((opened) => (storage = opened))
    await until(user, () => storage !== undefined)
    return { ...device, read: () => JSON.parse(storage!.getItem('k') ?? 'null') as Stored | null }
  }
  const cutOff = await open()
  cutOff.wire.goOffline()
  expect(cutOff.read()).toEqual(old)
  await cutOff.engine.stop() // the tab is closed before anything was sent

  const second = await open()
  expect(second.read()).toEqual(old)
  await user.quiet()
  const other = await user.device()
  await user.quiet()
  const [chat] = other.engine.conversations.list('active').items
  other.engine.conversations.delete(chat!.id)
  await user.quiet()
  expect((await open()).read()).toEqual({ chats: [], settings: { a: 1 } })
})

test('removing an item forgets what this device was given and takes nothing from the account', async () => {
  await using user = new SimulatedUser()
  const { engine } = await user.device()
  const shape = { toStored: (value: Stored) => value, fromStored: (stored: Stored) => stored }
  let storage: Awaited<ReturnType<typeof openStorage>> | undefined
  void openStorage({ engine, shape }).then((opened) => (storage = opened))
  await until(user, () => storage !== undefined)
  const message = { id: 'm', role: 'user' as const, content: 'Hello' }
  const value: Stored = {
    chats: [{ id: 'c', title: 'C', messages: [message] }],
    settings: { a: 1 },
  }
  storage!.setItem('k', JSON.stringify(value))
  storage!.setItem('other', JSON.stringify({ chats: value.chats, settings: { b: 2 } }))
  await user.quiet()
  storage!.removeItem('k')
  storage!.setItem('k', JSON.stringify({ chats: [], settings: {} }))
  await user.quiet()
  expect(JSON.parse(storage!.getItem('k')!)).toEqual(value)
  storage!.setItem('k', JSON.stringify({ chats: [], settings: { a: 2 } }))
  await user.quiet()
  expect(JSON.parse(storage!.getItem('k')!)).toEqual({ chats: [], settings: { a: 2 } })
  expect(JSON.parse(storage!.getItem('other')!)).toMatchObject({ settings: { b: 2 } })
})
