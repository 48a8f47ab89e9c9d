// What one request or frame costs everybody else. Every route and command gets the most expensive
// input that a search finds, valid or not, and nobody's turn of the event loop is held longer than
// MAX_TURN_MS of processor time.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { wireCommands } from '@lockstep/protocol/commands'
import { parse } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { excessOf } from '@lockstep/protocol/json-shape'
import { limits } from '@lockstep/protocol/limits'
import { routes, type Route } from '@lockstep/protocol/rest'
import type { RouteName } from '@lockstep/protocol/route-paths'
import { topics } from '@lockstep/protocol/topics'
import { httpSettings } from '../../realtime/http/settings.ts'
import { startNode } from '../harness/node.ts'
import { inForm } from '../harness/long-form.ts'
import { request, signUp, type Person } from '../harness/person.ts'
import { RawSocket } from '../harness/raw-socket.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { seed } from '../harness/seed.ts'
import { costOf, mostExpensive, written, type Shape } from './expensive-json.ts'
import { longestTurn, longestTurnAtBest, MAX_TURN_MS } from './turn-meter.ts'

const often = { rate: 1e6, burst: 1e6 }
const shared = sharedNodes(1, {
  options: { http: { ...httpSettings, userRate: often, addressRate: often } },
})
/** Shapes that the search tries for each schema. */
const STEPS = inForm(1, Math.ceil(Number(process.env.FUZZ_SEEDS) / 10))

const table: Record<string, Route> = routes
const withBody = (Object.keys(routes) as RouteName[]).filter(
  (name) => table[name]!.body !== undefined && name !== 'importMe',
)
const schemas = [
  ...withBody.map((name) => [`${name}`, table[name]!.body!] as const),
  ...topics.flatMap((topic) =>
    [...wireCommands[topic]].map(([name, { schema }]) => [`/${topic} ${name}`, schema] as const),
  ),
]
const fields = ['metadata', 'messages', 'message', 'patch', 'title', 'content', 'input', 'password']

const json = { 'content-type': 'application/json' }
/** Encoded beforehand, because the client runs in this process too. */
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** What the server does with a text before anything of it is used. */
function judge(schema: (typeof schemas)[number][1], text: string): void {
  if (excessOf(text) !== undefined) return
  try {
    parse(schema, JSON.parse(text))
  } catch {
    // refused, which costs as much
  }
}

/**
 * Without the counts of keys and values, each would take 100 to 800 ms. The first one has more keys
 * than are allowed, but no more values.
 */
const known: [Shape['form'], number][] = [
  ['keys', 450_000],
  ['keys', limits.bodyBytes - 1_000],
  ['objects', limits.bodyBytes - 1_000],
  ['lists', limits.bodyBytes - 1_000],
  ['nested', limits.bodyBytes - 1_000],
]

let [eve, alice]: Person[] = []
beforeAll(async () => {
  ;[eve, alice] = [await signUp(shared.node, 'eve'), await signUp(shared.node, 'alice')]
})

describe('judging a text', () => {
  test.each(schemas)(
    'of %s takes no longer than a turn, whatever it holds',
    { timeout: 60_000 + STEPS * 1_000 },
    async (name, schema) => {
      const search = { fields, maxBytes: limits.bodyBytes - 1_000, steps: STEPS, seed }
      const { shape, ms } = await mostExpensive(search, (shape) => {
        const text = written(shape)
        return costOf(() => judge(schema, text))
      })
      expect(ms, `${name}: ${JSON.stringify(shape)}`).toBeLessThan(MAX_TURN_MS)
    },
  )

  test.each(known)('of %s in %i bytes takes no longer than a turn', (form, bytes) => {
    for (const field of [undefined, 'metadata']) {
      const text = written({ field, form, key: 3, bytes })
      const ms = costOf(() => judge(routes.createConversation.body, text))
      expect(ms, field).toBeLessThan(MAX_TURN_MS)
    }
  })

  test('does not count a text that is far too long to its end, whichever field it is in', () => {
    const long = 'x'.repeat(1_900_000)
    const read = costOf(() => JSON.parse(JSON.stringify({ long })))
    for (const [name, schema] of schemas)
      for (const field of schema instanceof z.ZodObject ? Object.keys(schema.shape) : []) {
        const ms = costOf(() => schema.safeParse({ [field]: long }))
        expect(ms, `${name}: ${field}`).toBeLessThan(3 * read)
      }
  })

  test('accepts what a free-form object may hold, and refuses more by its keys, values or depth', () => {
    const free = (form: Shape['form']) =>
      written({ field: 'metadata', form, key: 1, bytes: limits.freeFormBytes - 20 })
    for (const form of ['keys', 'numbers', 'lists', 'texts', 'escapes'] as const)
      expect(excessOf(free(form)), form).toBeUndefined()
    const keys = (count: number) => `{${Array.from({ length: count }, () => '"":1').join(',')}}`
    expect(excessOf(keys(limits.jsonKeys))).toBeUndefined()
    expect(excessOf(keys(limits.jsonKeys + 1))).toBe('must have at most 20000 keys in all')
    expect(excessOf(`[${'0,'.repeat(limits.jsonValues)}0]`)).toMatch(/at most 60000 values/)
    expect(excessOf('['.repeat(101))).toMatch(/not be nested deeper than 100/)
    for (const text of [
      '"[[{:,"',
      '"\\"[[,:"',
      '["\\\\",1]',
      '{"a":"\\\\\\"{"}',
      '"never ends [[[',
    ])
      expect(excessOf(text, 0), text).toBeUndefined()
  })
})

describe('a stranger', () => {
  const send = (path: string, body: string | Uint8Array) =>
    request(shared.node.url + path, 'POST', body, json)

  test.each(['/auth/login', '/auth/register'])(
    'who sends 2 MB of keys to %s is refused before they are read, and no key comes back',
    async (path) => {
      const large = written({ field: undefined, form: 'keys', key: 5, bytes: 1_900_000 })
      const turns: number[] = []
      for (let n = 0; n < inForm(7, 20); n++) {
        const { result, longestMs } = await longestTurn(() => send(path, bytesOf(large)))
        expect(result).toMatchObject({
          status: 413,
          body: { code: 'too_large', limit_bytes: limits.signInBytes },
        })
        turns.push(longestMs)
      }
      // The first turn also loads code, and in some turns the garbage collector runs for what
      // earlier tests left. The cost of the body is in every turn.
      expect(turns.toSorted((a, b) => a - b)[turns.length >> 1]).toBeLessThan(MAX_TURN_MS)
      const small = written({ field: undefined, form: 'keys', key: 9, bytes: 16_000 })
      const { status, body } = await send(path, small)
      expect(status).toBe(422)
      expect(JSON.stringify(body).length).toBeLessThan(2_000)
      expect(JSON.stringify(body)).not.toContain('0kkkkkkkk')
    },
  )

  test('pays for bytes: large bodies use an address up sooner than small ones', async () => {
    await using node = await startNode(shared.database, {
      options: { http: { ...httpSettings, addressRate: { rate: 0.1, burst: 20 } } },
    })
    const body = JSON.stringify({ username: 'x'.repeat(16_000), password: '' })
    const statuses = []
    for (let n = 0; n < 6; n++)
      statuses.push(
        (
          await request(`${node.url}/auth/login`, 'POST', body, {
            'content-type': 'application/json',
          })
        ).status,
      )
    expect(statuses).toEqual([422, 422, 422, 422, 429, 429])
  })

  test('who sends large frames before joining loses the connection, and they are never parsed', async () => {
    const connect = `40/conversations,${written({ field: 'token', form: 'keys', key: 5, bytes: 1_900_000 })}`
    const sockets = await Promise.all(
      Array.from({ length: 10 }, () => RawSocket.open(shared.node.url, {})),
    )
    const { longestMs } = await longestTurn(async () => {
      for (const socket of sockets) socket.send(connect)
      await Promise.all(sockets.map(({ closed }) => closed))
    })
    for (const { inbox } of sockets)
      expect(inbox.all<string>('frame').every((frame) => frame.startsWith('0'))).toBe(true)
    // the frames are made in this process too
    expect(longestMs).toBeLessThan(MAX_TURN_MS * 10)
  })
})

describe('a user', () => {
  const heavy = (n: number): object => ({
    ...{ id: 'data', type: 'data-x' },
    value: Object.fromEntries(
      Array.from({ length: 14_000 }, (_, key) => [
        `${'k'.repeat(85)}${(key * 7919 + n) % 14_001}`,
        {},
      ]),
    ),
  })

  test('who writes, edits and reads a part of thousands of keys holds nobody’s turn', async () => {
    const headers = { ...json, cookie: eve!.cookie }
    const send = async (method: string, path: string, body?: Uint8Array) => {
      const response = await fetch(shared.node.url + path, {
        method,
        headers,
        body: body as BodyInit | undefined,
      })
      const { status } = response
      return { status, text: new TextDecoder().decode(await response.arrayBuffer()) }
    }
    const bodyOf = (message: object) => bytesOf(JSON.stringify({ messages: [message] }))
    const role = 'assistant'
    const { text } = await send('POST', '/conversations', bodyOf({ role, parts: [heavy(0)] }))
    const { id, messages } = JSON.parse(text) as { id: string; messages: { id: string }[] }
    const turns: Record<string, number[]> = { POST: [], PUT: [], GET: [] }
    for (let n = 1; n <= 7; n++) {
      const edited = bodyOf({ id: messages[0]!.id, role, parts: [heavy(n)] })
      const another = bodyOf({ role, parts: [heavy(n)] })
      const asked = [
        ['PUT', `/conversations/${id}`, edited],
        ['GET', `/conversations/${id}`],
        ['POST', '/conversations', another],
      ] as const
      for (const [method, path, body] of asked) {
        const { result, longestMs } = await longestTurn(() => send(method, path, body))
        expect(result.status, result.text.slice(0, 300)).toBeLessThan(300)
        turns[method]!.push(longestMs)
      }
    }
    // The second best: in some turns the garbage collector runs for what was before, and beside
    // other programs each instruction takes longer.
    for (const [method, all] of Object.entries(turns))
      expect(
        all.toSorted((a, b) => a - b)[1],
        `${method} ${all.map(Math.round).join(' ')}`,
      ).toBeLessThan(MAX_TURN_MS)
  }, 60_000)

  test('who does so over a socket holds nobody’s turn either, and the commands keep their order', async () => {
    await using device = await eve!.device('conversations')
    const message = (n: number) => ({ role: 'assistant', parts: [heavy(n)] })
    const body = { messages: [{ role: 'assistant' as const, content: 'x' }] }
    const { id, messages } = await eve!.ask('createConversation', { body })
    const turns: number[] = []
    for (let n = 1; n <= 5; n++) {
      const edit = { conversation_id: id, messages: [{ id: messages[0]!.id, ...message(n) }] }
      const { result, longestMs } = await longestTurn(() =>
        Promise.all([
          device.done('update', { conversation_id: id, title: `Before ${n}` }),
          device.done('update', edit),
          device.done('update', { conversation_id: id, title: `After ${n}` }),
        ]),
      )
      const seqs = result.map(({ seq }) => seq)
      expect(seqs).toEqual([seqs[0], seqs[0]! + 1, seqs[0]! + 2])
      turns.push(longestMs)
    }
    // the client encodes the command in this process too; the median as above
    expect(turns.toSorted((a, b) => a - b)[2], turns.map(Math.round).join(' ')).toBeLessThan(
      MAX_TURN_MS,
    )
  }, 60_000)

  test.each(known)(
    'who sends %s in %i bytes is refused before they are read',
    async (form, bytes) => {
      const body = bytesOf(written({ field: 'metadata', form, key: 3, bytes }))
      const longest = await longestTurnAtBest(async () => {
        const sent = () => eve!.rest('POST', '/conversations', body, json)
        const { result, longestMs } = await longestTurn(sent)
        expect(result).toMatchObject({
          status: 422,
          body: { detail: expect.stringMatching(/must have at most \d+ (keys|values) in all/) },
        })
        return longestMs
      })
      expect(longest).toBeLessThan(MAX_TURN_MS)
    },
  )

  test('who sends too many keys in a frame is told so by the ack, and keeps the connection', async () => {
    await using device = await eve!.device('conversations')
    const metadata = Object.fromEntries(Array.from({ length: 20_001 }, (_, n) => [`k${n}`, 1]))
    expect(await device.refused('create', { mutation_id: newId(), metadata })).toMatchObject({
      code: 'invalid',
      detail: expect.stringContaining('20000 keys') as string,
    })
    expect(device.connected).toBe(true)
  })
})

afterAll(async () => {
  expect((await alice!.ask('getMe')).user.id).toBe(alice!.user.id)
})
