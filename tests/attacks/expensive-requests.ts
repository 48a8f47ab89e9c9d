// Everything that a person can ask for, each with the inputs that an attacker would try: as valid
// as can be, and of any shape. The protocol has the keys, so whatever is added is attacked.
import { wireCommands } from '@lockstep/protocol/commands'
import { newId } from '@lockstep/protocol/ids'
import { ImportSource } from '@lockstep/protocol/import'
import { routes, type Route } from '@lockstep/protocol/rest'
import type { RouteName } from '@lockstep/protocol/route-paths'
import { topics } from '@lockstep/protocol/topics'
import { signUp, type Person } from '../harness/person.ts'
import { RawSocket } from '../harness/raw-socket.ts'
import { written, type Shape } from './expensive-json.ts'
import { commandPayloads, routeRequests } from './valid-requests.ts'

/** One input, ready to be sent. Resolves to the status of the answer. */
export interface Input {
  bytes: number
  send(): Promise<number>
}

export interface Attack {
  /** Where a shape may be put besides unknown fields. Undefined: there is one input only. */
  fields: readonly string[] | undefined
  /** Makes an input of a shape; without one, the most expensive valid one that is known. */
  make(shape?: Shape): Promise<Input>
  end(): void
}

interface Asked {
  params?: Record<string, string>
  query?: Record<string, unknown>
  body?: unknown
}

const json = { 'content-type': 'application/json' }
const encoder = new TextEncoder()

/** Someone with much of everything that can be read. */
export async function hoarder(node: { url: string }): Promise<{ person: Person; id: string }> {
  const person = await signUp(node, 'eve')
  const { id } = await person.ask('createConversation', { body: {} })
  const content = 'fi'.repeat(125_000)
  for (let n = 0; n < 16; n += 4)
    await person.ask('putConversation', {
      params: { id },
      body: { messages: Array.from({ length: 4 }, () => ({ role: 'user' as const, content })) },
    })
  const metadata = Object.fromEntries(Array.from({ length: 3_000 }, (_, n) => [`k${n}`, n]))
  for (let n = 0; n < 60; n++) await person.ask('createConversation', { body: { metadata } })
  for (let n = 0; n < 10; n++)
    await person.ask('putDraft', { params: { id: newId() }, body: { place: 'x', text: content } })
  const data = { text: content.slice(0, 60_000) }
  for (let n = 0; n < 100; n++)
    await person.ask('putRecord', { params: { kind: 'note', id: newId() }, body: { data } })
  return { person, id }
}

/** What costs most to read; everything else is asked for as a valid request is. */
const reads: Partial<Record<RouteName, (id: string) => Asked>> = {
  listConversations: () => ({ query: { limit: 200 } }),
  getConversation: (id) => ({ params: { id }, query: { limit: 500 } }),
  getConversationAt: (id) => ({ params: { id }, query: { limit: 500, seq: 5 } }),
  getConversationMarkdown: (id) => ({ params: { id } }),
  listActivity: () => ({ query: { limit: 200 } }),
  listDrafts: () => ({ query: { limit: 200 } }),
  listRuns: () => ({ query: { limit: 200 } }),
  listSessions: () => ({}),
  listRecords: () => ({ params: { kind: 'note' }, query: { limit: 200 } }),
  exportMe: () => ({}),
  readChanges: () => ({ params: { topic: 'conversations' } }),
}
const table: Record<string, Route> = routes

const lines = { 'content-type': 'application/x-ndjson' }
/** Ends a line, and a reply. */
const end = Buffer.from('\n{"done":true}\n')

async function send(
  { url, cookie }: Person,
  name: string,
  { params = {}, query = {}, body }: Asked & { body?: Uint8Array },
): Promise<number> {
  const { method, path, streamed } = table[name]!
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, key: string) => params[key]!)
  const search = new URLSearchParams(query as Record<string, string>).toString()
  const response = await fetch(`${url}${filled}${search && `?${search}`}`, {
    method,
    headers: { cookie, ...(body && (streamed ? lines : json)) },
    body: (body && streamed ? Buffer.concat([body, end]) : body) as BodyInit | undefined,
  })
  await response.arrayBuffer()
  return response.status
}

const keysOf = (value: unknown): string[] =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : []

function routeAttack(
  name: RouteName,
  node: { url: string },
  rich: Awaited<ReturnType<typeof hoarder>>,
) {
  const { body: schema } = table[name]!
  let fields: string[] | undefined
  return async (): Promise<Attack> => {
    const read = reads[name]?.(rich.id)
    const first = read ? rich.person : await signUp(node, 'mallory')
    const sample: Asked = read ?? (await routeRequests[name](first))
    if (schema) fields = keysOf(sample.body)
    let isUsed = false
    return {
      fields,
      async make(shape) {
        // a request may end a session or an account
        const person = read || !isUsed ? first : await signUp(node, 'mallory')
        const asked: Asked = read || !isUsed ? sample : await routeRequests[name](person)
        isUsed = true
        const text = shape ? written(shape, asked.body ?? {}) : JSON.stringify(asked.body)
        const body = schema && encoder.encode(text)
        return { bytes: body?.length ?? 200, send: () => send(person, name, { ...asked, body }) }
      },
      end: () => undefined,
    }
  }
}

function commandAttack(topic: (typeof topics)[number], name: string, node: { url: string }) {
  return async (): Promise<Attack> => {
    const person = await signUp(node, 'mallory')
    const socket = await RawSocket.join(node.url, person.cookie, topic)
    const made = commandPayloads[topic] as Record<string, (of: Person) => Promise<object>>
    const payload = await made[name]!(person)
    let ack = 0
    return {
      fields: keysOf(payload),
      make(shape) {
        const around = { ...payload, mutation_id: newId() }
        const body = shape ? written(shape, around) : JSON.stringify(around)
        const inputOf = (id: number) => `42/${topic},${id}["${name}",${body}]`
        return Promise.resolve({
          bytes: body.length,
          async send() {
            const id = ++ack
            socket.send(inputOf(id))
            const start = `43/${topic},${id}[`
            const frame = await Promise.race([
              socket.inbox.until<string>('frame', (text) => String(text).startsWith(start), 30_000),
              socket.closed.then(() => ''),
            ])
            const refusal = /"status":(\d+)/.exec(frame)
            return frame.includes('"ok":true') ? 200 : Number(refusal?.[1] ?? 400)
          },
        })
      },
      end: () => socket[Symbol.dispose](),
    }
  }
}

function importAttack(source: string, node: { url: string }) {
  return async (): Promise<Attack> => {
    const person = await signUp(node, 'mallory')
    return {
      fields: ['data', 'conversations', 'chat_messages', 'mapping'],
      make(shape) {
        const text = shape ? written(shape, { source }) : `{"source":"${source}","data":[]}`
        const body = encoder.encode(text)
        return Promise.resolve({
          bytes: body.length,
          send: () => send(person, 'importMe', { body }),
        })
      },
      end: () => undefined,
    }
  }
}

/** All of them by name; each is prepared when it is its turn. */
export function attacksOn(
  node: { url: string },
  rich: Awaited<ReturnType<typeof hoarder>>,
): Map<string, () => Promise<Attack>> {
  const attacks = new Map<string, () => Promise<Attack>>()
  for (const name of Object.keys(routes) as RouteName[])
    attacks.set(`${table[name]!.method} ${table[name]!.path}`, routeAttack(name, node, rich))
  for (const topic of topics)
    for (const name of wireCommands[topic].keys())
      attacks.set(`/${topic} ${name}`, commandAttack(topic, name, node))
  for (const source of ImportSource.options)
    attacks.set(`import ${source}`, importAttack(source, node))
  return attacks
}
