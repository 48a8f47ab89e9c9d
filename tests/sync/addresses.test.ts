// Where a program says that the server is, and what it learns if nobody is there.
import { describe, expect, test } from 'vitest'
import { createEngine } from '@lockstep/client'
import { FOREIGN_IDS, idOf } from '@lockstep/client/foreign-ids'
import { createProducer } from '@lockstep/client/produce'

const addresses = [
  [{ origin: '' }, '/users/me'],
  [{ origin: '', path: '/chat' }, '/chat/users/me'],
  [{ origin: '/chat' }, '/chat/users/me'],
  [{ origin: 'https://a.example' }, 'https://a.example/users/me'],
  [{ origin: 'https://a.example/' }, 'https://a.example/users/me'],
  [{ origin: 'https://a.example', path: '/' }, 'https://a.example/users/me'],
  [{ origin: 'https://a.example:8443', path: '/chat' }, 'https://a.example:8443/chat/users/me'],
  [{ origin: 'https://a.example/', path: 'chat/' }, 'https://a.example/chat/users/me'],
  [{ origin: 'https://a.example/x', path: '/chat' }, 'https://a.example/x/chat/users/me'],
] as const

test.each(addresses)('%o is asked at %s', async (server, expected) => {
  const asked: unknown[] = []
  const fetch = (input: unknown) => {
    asked.push(input)
    return Promise.resolve(Response.json({ code: 'not_found' }, { status: 404 }))
  }
  const engine = createEngine({ ...server, fetch })
  await engine.call('getMe').catch(() => {})
  const produce = createProducer({ ...server, fetch, streams: true })
  await produce('c', [{ text: 'x' }]).catch(() => {})
  expect(asked[0]).toBe(expected)
  expect(asked[1]).toContain(expected.replace('/users/me', '/conversations/c/produce?'))
})

describe('a server that does not answer', () => {
  const engineOf = (error: Error) =>
    createEngine({ origin: 'https://a.example', fetch: () => Promise.reject(error) })
  const detailOf = (engine: ReturnType<typeof createEngine>) =>
    engine.call('getMe').catch(({ extra }: { extra: { detail?: string } }) => extra.detail)

  test('is reported with the reason that Node gives', async () => {
    const refused = new Error('connect ECONNREFUSED 127.0.0.1:1')
    const engine = engineOf(new TypeError('fetch failed', { cause: refused }))
    expect(await detailOf(engine)).toBe(`The server does not answer: ${refused.message}`)
    const all = Object.assign(new AggregateError([refused]), { code: 'ECONNREFUSED' })
    const both = engineOf(new TypeError('fetch failed', { cause: all }))
    expect(await detailOf(both)).toBe('The server does not answer: ECONNREFUSED')
  })

  test('is reported to a page of another origin with the setting that may be missing', async () => {
    const page = { value: { origin: 'https://b.example' }, configurable: true }
    Object.defineProperty(globalThis, 'location', page)
    try {
      const detail = await detailOf(engineOf(new TypeError('Failed to fetch')))
      expect(detail).toContain('https://a.example does not answer')
      expect(detail).toContain('PUBLIC_ORIGIN doesn’t name https://b.example')
    } finally {
      Reflect.deleteProperty(globalThis, 'location')
    }
  })
})

describe('ids of other programs', () => {
  test('become UUIDv5, as every language makes them; a UUID stays what it is', () => {
    // Python: uuid.uuid5(uuid.UUID(FOREIGN_IDS), text)
    expect(FOREIGN_IDS).toBe('2b3d5f0c-6c0a-5e9e-9a51-6f4d1f3a7c10')
    expect(
      ['a', 'chat-1', 'x'.repeat(55), 'x'.repeat(56), 'x'.repeat(64), 'ü'.repeat(99)].map(idOf),
    ).toEqual([
      'c9001797-f834-5ca8-b552-a4bc96819ed1',
      'c1249157-9208-5549-98e8-aa842d77b948',
      'fc7efe24-8b5c-57c1-9782-d4d28a2adc40',
      '9e9f721e-7d92-5a89-b201-33a65f08362c',
      'ccbdbaaf-fb13-51f2-995a-9cd06d362189',
      '8b3e0cc7-13c5-52cd-bb0d-6d1bd0ed09b0',
    ])
    expect(idOf('0195AA00-0000-7000-8000-00000000ABCD')).toBe(
      '0195aa00-0000-7000-8000-00000000abcd',
    )
    expect(idOf(idOf('chat-1'))).toBe(idOf('chat-1'))
  })
})
