// Runs programs of the documents, which stand beside it, and prints what each has printed as JSON.
// They share what a text before them has made: an engine that has started, and a conversation.
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { format } from 'node:util'
import { Window } from 'happy-dom'
import { get } from 'svelte/store'
import { createEngine } from '@lockstep/client'

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
  title: 'Shared',
  messages: [{ role: 'user', content: 'Hello' }],
})
await outcome
await engine.conversations.open(id)

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
const { document: page, CSSStyleSheet, KeyboardEvent } = new Window()
Object.assign(globalThis, {
  ...{ engine, id, url, origin: url, agent, changes: [change] },
  message_id: crypto.randomUUID(),
  oldChats: [{ id: 'old', title: 'Old', texts: ['one', 'two'] }],
  socket: { on: (_event: string, listener: (value: object) => void) => listener(change) },
  ...{ document: page, CSSStyleSheet },
  location: { assign: () => {}, origin: url },
  localStorage: new Texts(),
})
Object.assign(process.env, { CONVERSATION: id, TOKEN: token })
const { fetch } = globalThis
globalThis.fetch = (to, options) =>
  to === '/lockstep-token' ? Promise.resolve(new Response(token)) : fetch(to, options)

async function until(holds: () => unknown): Promise<unknown> {
  for (const end = Date.now() + 15_000; Date.now() < end; await pause(10)) {
    const value = holds()
    if (value) return value
  }
  throw new Error(`never: ${holds.toString()}`)
}

/** What an expression of readme-blocks.ts comes to. */
async function evaluate(expression: string, own: unknown): Promise<unknown> {
  const names = { own, until, titles, fullStream, get, printed }
  const all = { ...names, engine, id, document: page, KeyboardEvent }
  const evaluated = new Function(...Object.keys(all), `return ${expression}`) as (
    ...values: unknown[]
  ) => unknown
  return evaluated(...Object.values(all))
}

for (const { name, file, then } of blocks) {
  printed = []
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
