// Runs programs of the documents, which stand beside it, and prints what each has printed as JSON.
// They share what a text before them has made: an engine that has started, and a conversation. Each
// has an empty page, in a DOM without a browser.
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { format } from 'node:util'
import { createElement, type ElementType, type ReactElement } from 'react'
import { createRoot } from 'react-dom/client'
import { mount as mountSvelte, type Component as SvelteComponent } from 'svelte'
import { get } from 'svelte/store'
import { createApp, type Component as VueComponent } from 'vue'
import { createEngine } from '@lockstep/client'
import { lockstep } from '@lockstep/vue'

interface Given {
  url: string
  token: string
  blocks: { name: string; file: string; then?: string }[]
}
const { url, token, blocks } = JSON.parse(readFileSync('blocks.json', 'utf8')) as Given
let printed: string[] = []
const print = console.log
console.log = (...values: unknown[]) => void printed.push(format(...values))

class Texts extends Map<string, string> {
  getItem = (key: string) => this.get(key) ?? null
  setItem = (key: string, text: string) => void this.set(key, text)
}
const engine = createEngine({ origin: url, token: () => token })
await engine.start()
const titles = () => engine.conversations.list('active').items.map(({ title }) => title)
const { id, outcome } = engine.conversations.create({
  id: '01890a5d-ac96-774b-bcce-b302099a8057', // that of docs/under-your-app.md
  title: 'Shared',
  messages: [{ role: 'user', content: 'Hello' }],
})
await outcome
await engine.conversations.open(id)
const newChat = () =>
  engine.conversations.create({ title: '', messages: [{ role: 'user', content: 'Hello' }] }).id

async function* agent() {
  yield await Promise.resolve({ text: 'Yes.' })
}
const call = { toolCallId: '1', toolName: 'look', input: {} }
const parts = [
  { type: 'reasoning-delta', text: 'Hm.' },
  { type: 'tool-call', ...call },
  { type: 'tool-result', ...call, output: 'there' },
  { type: 'text-delta', text: 'There.' },
]
async function* fullStream() {
  for (const part of parts) yield await Promise.resolve(part)
}
const change = {
  ...{ topic: 'preferences', epoch: 'e', seq: 1, at: '2026-01-01T00:00:00.000Z', op: 'updated' },
  ...{ entity_id: id, version: 2, actor: { session_id: null, device: 'a program' } },
  data: { patch: { theme: 'dark' } },
}
const { CSSStyleSheet, KeyboardEvent } = document.defaultView!
Object.assign(globalThis, {
  ...{ engine, id, url, origin: url, agent, changes: [change] },
  message_id: crypto.randomUUID(),
  oldChats: [{ id: 'old', title: 'Old', texts: ['one', 'two'] }],
  socket: { on: (_event: string, listener: (value: object) => void) => listener(change) },
  CSSStyleSheet,
  location: { assign: () => {}, origin: url },
  localStorage: new Texts(),
})
Object.assign(process.env, { CONVERSATION: id, TOKEN: token })
const { fetch } = globalThis
globalThis.fetch = (to, options) =>
  to === '/lockstep-token' ? Promise.resolve(new Response(token)) : fetch(to, options)

async function until<Value>(holds: () => Value): Promise<Exclude<NonNullable<Value>, false>> {
  for (const end = Date.now() + 15_000; Date.now() < end; await pause(10)) {
    const value = holds()
    if (value) return value as Exclude<NonNullable<Value>, false>
  }
  throw new Error(`never: ${holds.toString()}`)
}

const { default: provider } = (await import('./Provider.svelte.mjs' as string)) as {
  default: SvelteComponent
}
/** Shows a component of a framework in the page. */
const mount = {
  react: (component: ElementType | ReactElement) =>
    createRoot(document.body).render(
      typeof component === 'function' ? createElement(component) : component,
    ),
  vue: (component: VueComponent, props: object) =>
    createApp(component, { ...props })
      .use(lockstep(engine))
      .mount(document.body),
  svelte: (component: SvelteComponent, props: object) =>
    mountSvelte(provider, { target: document.body, props: { ...props, component } }),
}
const press = async (selector: string) => {
  const found = await until(() => document.querySelector<HTMLElement>(selector))
  found.click()
}
/** The first rows of a list, once each of them has a text. */
const rows = (count: number) =>
  until(() => {
    const texts = Array.from(document.querySelectorAll('li'), (row) => row.textContent)
    const first = texts.slice(0, count)
    return first.length === count && first.every((text) => text !== '') && first.join(' | ')
  })
/** The rows after a person has pressed "Send". */
const sent = (count = 3) => press('button').then(() => rows(count))
/** The newest of a list of titles, once a press of the button has added it. */
async function created(): Promise<string> {
  const titles = () => Array.from(document.querySelectorAll('p'), (title) => title.textContent)
  await until(() => titles().includes('Shared'))
  const before = titles().length
  await press('button')
  return until(() => titles().length > before && titles().find((title) => title === 'New'))
}

/** What an expression of readme-blocks.ts comes to. */
async function evaluate(expression: string, own: unknown): Promise<unknown> {
  const names = { own, until, titles, fullStream, get, printed }
  const page = { mount, press, rows, sent, created, newChat, document, KeyboardEvent }
  const all = { ...names, ...page, engine, id }
  const evaluated = new Function(...Object.keys(all), `return ${expression}`) as (
    ...values: unknown[]
  ) => unknown
  return evaluated(...Object.values(all))
}

for (const { name, file, then } of blocks) {
  printed = []
  // what was shown before lives on in the page that it has
  document.body.replaceWith(document.createElement('body'))
  document.body.innerHTML = '<main id="app"></main>'
  try {
    const own: unknown = await import(file)
    const value = then === undefined ? undefined : await evaluate(then, own)
    if (value !== undefined && printed.length === 0) console.log(value)
  } catch (error) {
    console.log(error)
  }
  print(JSON.stringify({ name, said: printed.join('\n') }))
}
process.exit(0)
