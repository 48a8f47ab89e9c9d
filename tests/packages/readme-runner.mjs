// Runs programs of the documents, which stand beside it, and prints what each has printed as JSON.
// They share what a text before them has made: an engine that has started, and a conversation.
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { format } from 'node:util'
import { get } from 'svelte/store'
import { createEngine } from '@lockstep/client'

const { url, token, blocks } = JSON.parse(readFileSync('blocks.json', 'utf8'))
let printed = []
const print = console.log
console.log = (...values) => printed.push(format(...values))

class Texts extends Map {
  getItem = (key) => this.get(key) ?? null
  setItem = (key, text) => void this.set(key, text)
}
const engine = createEngine({ origin: url, token: () => token })
await engine.start()
const titles = () => engine.conversations.list('active').items.map(({ title }) => title)
const messages = [{ role: 'user', content: 'Hello' }]
const { id, outcome } = engine.conversations.create({ title: 'Shared', messages })
await outcome
await engine.conversations.open(id)

async function* agent() {
  yield { text: 'Yes.' }
}
async function* fullStream() {
  yield { type: 'reasoning-delta', text: 'Hm.' }
  yield { type: 'tool-call', toolCallId: '1', toolName: 'look', input: {} }
  yield { type: 'tool-result', toolCallId: '1', toolName: 'look', input: {}, output: 'there' }
  yield { type: 'text-delta', text: 'There.' }
}
const change = {
  ...{ topic: 'preferences', epoch: 'e', seq: 1, at: '2026-01-01T00:00:00.000Z', op: 'updated' },
  ...{ entity_id: id, version: 2, actor: { session_id: null, device: 'a program' } },
  data: { patch: { theme: 'dark' } },
}
Object.assign(globalThis, {
  ...{ engine, id, url, origin: url, agent, changes: [change] },
  message_id: crypto.randomUUID(),
  oldChats: [{ id: 'old', title: 'Old', texts: ['one', 'two'] }],
  socket: { on: (_event, listener) => listener(change) },
  document: { body: {}, documentElement: { dataset: {} } },
  location: { assign: () => {} },
  localStorage: new Texts(),
})
process.env.CONVERSATION = id
process.env.TOKEN = token
const { fetch } = globalThis
globalThis.fetch = async (to, options) =>
  to === '/lockstep-token' ? new Response(token) : fetch(to, options)

async function until(holds) {
  for (const end = Date.now() + 15_000; Date.now() < end; await pause(10)) {
    const value = holds()
    if (value) return value
  }
  throw new Error(`never: ${holds}`)
}

for (const { name, file, then } of blocks) {
  printed = []
  try {
    const own = await import(file)
    // the expressions are those of readme-blocks.ts
    const names = { own, until, titles, fullStream, get, printed, ...globalThis, engine, id }
    const value =
      then && new Function(...Object.keys(names), `return ${then}`)(...Object.values(names))
    if (then && !printed.length) console.log(await value)
    else await value
    print(JSON.stringify({ name, said: printed.join('\n') }))
  } catch (error) {
    print(JSON.stringify({ name, said: `${error.stack}` }))
  }
}
process.exit(0)
