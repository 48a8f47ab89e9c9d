// A program writes a reply: what that costs everybody else, and whose replies it may write. The
// stream has no end and no Content-Length, so each piece has to be cheap, however long the reply.
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import { putPart } from '@lockstep/protocol/message-parts'
import type { Part } from '@lockstep/protocol/parts'
import { routes, type Answer } from '@lockstep/protocol/rest'
import { byteLength } from '@lockstep/protocol/text'
import { ReplyParts } from '../../realtime/agents/reply-parts.ts'
import { httpSettings } from '../../realtime/http/settings.ts'
import { runProgram } from '../../realtime/program.ts'
import { Upload } from '../agents/upload.ts'
import { Device } from '../harness/device.ts'
import { startNode } from '../harness/node.ts'
import { request, signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { alice, serveHttp, sessionsFor } from '../rest/http-fixture.ts'
import { longestTurn, longestTurnAtBest, MAX_TURN_MS } from './turn-meter.ts'

const often = { rate: 1e6, burst: 1e6 }
const serviceKey = `lsk_${randomBytes(32).toString('base64url')}`
const shared = sharedNodes(1, {
  serviceKeys: [createHash('sha256').update(serviceKey).digest('hex')],
  options: { http: { ...httpSettings, userRate: often, addressRate: often } },
})

const asking = async (person: Person): Promise<string> =>
  (await person.ask('createConversation', { body: {} })).id
const lines = (pieces: readonly object[]): Uint8Array =>
  new TextEncoder().encode(pieces.map((piece) => `${JSON.stringify(piece)}\n`).join(''))
const many = <T>(count: number, piece: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => piece(n))
const data = (id: string, value: unknown) => ({ part: { id, type: 'data-x', value } })
const large = 'x'.repeat(200_000)

/** As many bytes as a server reads at once, and what has to be there before. */
const streams: [what: string, before: object[], pieces: object[]][] = [
  ['thinking that is white space for long', [], [{ thinking: `${' '.repeat(250_000)}a` }]],
  [
    'parts beside large ones',
    many(8, (n) => data(`large ${n}`, large)),
    many(1_300, (n) => data('small', n)),
  ],
  [
    'text and thinking by turns, after much of both',
    [{ thinking: large }, { text: large }],
    many(1_800, (n) => (n % 2 ? { text: 'a' } : { thinking: 'b' })),
  ],
  [
    'metadata beside large metadata',
    [{ metadata: Object.fromEntries(many(3_500, (n) => [`key ${n}`, n])) }],
    many(200, (n) => ({ metadata: { n } })),
  ],
  ['lines without a text', [], many(5_000, () => ({ text: '' }))],
  [
    'one part of thousands of keys',
    [],
    [data('keys', Object.fromEntries(many(14_000, (n) => [`${'k'.repeat(85)}${n}`, {}])))],
  ],
]

test.each(streams)(
  'an upload of %s holds nobody’s turn',
  async (_what, before, pieces) => {
    const eve = await signUp(shared.node)
    const [first, body] = [lines(before), lines(pieces)]
    const longest = await longestTurnAtBest(async () => {
      const upload = new Upload(eve, await asking(eve))
      if (before.length > 0) upload.bytes(first)
      const { result, longestMs } = await longestTurn(() => {
        upload.bytes(body).send({ done: true })
        return upload.answer
      })
      upload.end()
      expect(result).toMatchObject({ status: 200, body: { status: 'complete' } })
      return longestMs
    })
    expect(longest).toBeLessThan(MAX_TURN_MS)
  },
  60_000,
)

test('a program is read no faster than its user may send requests, and each part is one', async () => {
  await using node = await startNode(shared.database, {
    options: { http: { ...httpSettings, userRate: { rate: 40, burst: 20 } } },
  })
  const eve = await signUp(node)
  const id = await asking(eve)
  const began = performance.now()
  const upload = new Upload(eve, id).send(...many(61, (n) => data('state', n)), { done: true })
  expect((await upload.answer).body).toMatchObject({ status: 'complete' })
  upload.end()
  // 20 at once, and 40 in the second after that
  expect(performance.now() - began).toBeGreaterThan(800)
})

test('white space that could become a thought counts as one', async () => {
  const eve = await signUp(shared.node)
  const spaces = { thinking: ' '.repeat(limits.messageBytes / 2 + 1) }
  const upload = new Upload(eve, await asking(eve)).send(
    { thinking: 'a' },
    spaces,
    { text: '' },
    spaces,
  )
  expect(await upload.answer).toMatchObject({ status: 413, body: { code: 'too_large' } })
  upload.end()
}, 20_000)

const anyPart: fc.Arbitrary<Part> = fc.oneof(
  fc.record({
    id: fc.constantFrom('a', 'reasoning'),
    type: fc.constant('reasoning' as const),
    text: fc.string({ unit: 'grapheme' }),
  }),
  fc.record({
    id: fc.constantFrom('a', 'b', 'c'),
    type: fc.constant('data-x' as const),
    value: fc.string({ unit: 'grapheme' }),
  }),
)
const steps = fc.oneof(
  fc.record({ text: fc.string({ unit: 'grapheme', minLength: 1 }) }),
  fc.record({
    thinking: fc.string({ unit: fc.constantFrom(' ', '\n', 'a', 'ü', '"', '\ud83d', '\ude00') }),
  }),
  fc.record({ part: anyPart }),
)

test('the sizes of a reply are known without measuring it anew, whatever comes', () => {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 40 }), (all) => {
      const parts = new ReplyParts()
      for (const step of all) {
        if ('text' in step) parts.addText(step.text)
        else if ('thinking' in step) parts.addThinking(step.thinking, step.thinking.length)
        else {
          const expected = new ReplyParts(putPart(parts.all, step.part)).sizes
          const held = parts.sizes.thinking - new ReplyParts(parts.all).sizes.thinking
          const { json, thinking } = parts.sizesWith(step.part)
          expect({ json, thinking: thinking - held }).toEqual(expected)
          parts.put(step.part)
        }
        const { json, thinking } = parts.sizes
        expect(json).toBe(byteLength(JSON.stringify(parts.all)) - (parts.all.length ? 0 : 1))
        expect(thinking).toBeGreaterThanOrEqual(byteLength(parts.thinking))
      }
    }),
  )
})

const by = <Body>(method: string, path: string, body: unknown, headers: object = {}) =>
  request<Body>(shared.node.url + path, method, body, {
    authorization: `Bearer ${serviceKey}`,
    ...headers,
  })

const forUser = (user: string, body: object = {}) =>
  by<Answer<'createUserToken'>>('POST', '/tokens', { user, ...body })

test('an id that no header of a proxy could name gets no token', async () => {
  for (const odd of ['', ' ', ' bob', 'bob\t', 'bo\nb', 'b\0b', 'ü'.repeat(128)])
    expect((await forUser(odd)).status, JSON.stringify(odd)).toBe(422)
})

test('a service key writes a reply for the user that is named; a token that may only read, or whose user is locked, writes none', async () => {
  const { user } = (await forUser('author')).body
  const named = { 'lockstep-user': user.id, authorization: `Bearer ${serviceKey}` }
  const { id } = (await by<Answer<'createConversation'>>('POST', '/conversations', {}, named)).body
  const uploadBy = (headers: Record<string, string>, text = 'Hi') =>
    new Upload({ url: shared.node.url, cookie: '' }, id, { headers }).send({ text })
  const { token } = (await forUser('author', { scopes: ['read'] })).body
  const eve = await signUp(shared.node)
  const stranger = (await forUser('stranger')).body
  for (const [headers, status] of [
    [{ authorization: `Bearer ${serviceKey}` }, 401],
    [{ ...named, 'lockstep-user': newId() }, 401],
    [{ ...named, 'lockstep-user': stranger.user.id }, 404],
    [{ authorization: `Bearer ${stranger.token}` }, 404],
    [{ authorization: `Bearer ${token}` }, 403],
    [{ authorization: `Bearer ${token}`, cookie: eve.cookie }, 403],
    [{ 'sec-fetch-site': 'cross-site', cookie: eve.cookie }, 403],
  ] as const)
    expect((await uploadBy(headers).end().answer).status, JSON.stringify(headers)).toBe(status)
  await using device = await Device.open(shared.node.url, undefined, 'conversations', {
    auth: { token: serviceKey },
    user_id: user.id,
  })
  const written = uploadBy(named).send({ done: true })
  expect((await written.answer).body).toMatchObject({ status: 'complete', length: 2 })
  const begun = await device.until('change', ({ data }) => data?.messages !== undefined)
  expect(begun.actor).toEqual({ session_id: null, device: 'Service key' })
  written.end()
  const cut = uploadBy(named, 'Cut off')
  await device.until('delta', ({ text }) => text === 'Cut off')
  const terminal = {
    print: () => undefined,
    tell: () => undefined,
    readInput: () => Promise.resolve(''),
    onInterrupt: () => ({ [Symbol.dispose]: () => undefined }),
  }
  const env = { MONGODB_URL: shared.database.url, NODE_ENV: 'test' }
  expect(await runProgram(['users', 'lock', user.id], env, terminal)).toBe(0)
  await expect(cut.answer).rejects.toThrow()
})

test.each(['exportMe', 'getConversationMarkdown'] as const)(
  '%s ends when its reader is signed out, however slowly it is read',
  async (name) => {
    const sessions = sessionsFor(alice)
    let isSignedIn = true
    const isCurrent = () => Promise.resolve(isSignedIn)
    const endless = Readable.from(Iterator.from({ next: () => ({ value: large }) }))
    // an answer that isn't read ends too, but not in this test
    const settings = { ...httpSettings, timings: { ...httpSettings.timings, unread: 1e6 } }
    await using http = await serveHttp(
      { [name]: () => Promise.resolve(endless) },
      { sessions: { ...sessions, isCurrent }, settings },
    )
    const { method, path } = routes[name]
    const asked = httpRequest(`${http.url}${path.replace('{id}', newId())}`, {
      method,
      agent: false,
    })
    asked.setHeader('cookie', 'alice').end()
    await once(asked, 'response') // and nobody reads its body
    const ended = once(endless, 'close')
    isSignedIn = false
    await ended
    asked.destroy()
  },
  20_000,
)
