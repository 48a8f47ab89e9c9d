// Requests of the client over a line that is slow, and over one that is dead: only the second is given up.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createCall, type CallOptions } from '../../clients/typescript/src/rest/call.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1_000)
const unavailable = { code: 'unavailable', message: 'The server does not answer' }
const text = JSON.stringify({ items: [{ title: 'A long one' }], next_cursor: null })

/** A server whose answer the test lets come. */
function server(status = 200) {
  const head = Promise.withResolvers<Response>()
  let body!: ReadableStreamDefaultController<Uint8Array>
  let hungUp = false
  const fetch = (_address: unknown, { signal }: RequestInit = {}) => {
    signal!.addEventListener('abort', () => {
      hungUp = true
      head.reject(signal!.reason)
      body.error(signal!.reason)
    })
    return head.promise
  }
  const stream = new ReadableStream<Uint8Array>({ start: (controller) => void (body = controller) })
  const call = createCall({ origin: '', fetch, headers: () => ({}), userId: () => undefined })
  const asked = (options?: CallOptions) => {
    const answer = call('listConversations', {}, options)
    answer.catch(() => undefined)
    return answer
  }
  return {
    call,
    asked,
    begin: () => head.resolve(new Response(stream, { status })),
    send: (piece: string) => body.enqueue(new TextEncoder().encode(piece)),
    end: () => body.close(),
    hungUp: () => hungUp,
  }
}

test('an answer that comes in drops, for minutes, is taken', async () => {
  const { asked, begin, send, end, hungUp } = server()
  const answer = asked()
  await pass(14)
  begin()
  for (const letter of text) {
    await pass(14)
    send(letter)
  }
  await pass(14)
  end()
  expect(await answer).toEqual(JSON.parse(text))
  await pass(600)
  expect(hungUp()).toBe(false)
  expect(vi.getTimerCount()).toBe(0)
})

test.each<[string, until: (one: ReturnType<typeof server>) => void]>([
  ['before it begins', () => undefined],
  ['before its first piece', ({ begin }) => begin()],
  ['in the middle', ({ begin, send }) => (begin(), send(text.slice(0, 9)))],
])(
  'an answer that stops %s is given up after 15 s of silence, and hung up on',
  async (_when, until) => {
    const one = server()
    const answer = one.asked()
    until(one)
    await pass(14)
    expect(one.hungUp()).toBe(false)
    await pass(2)
    await expect(answer).rejects.toMatchObject(unavailable)
    expect(one.hungUp()).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  },
)

test('a problem that stops in the middle is given up too, for what its status says', async () => {
  const { asked, begin, send, hungUp } = server(503)
  const answer = asked()
  begin()
  send('{"code":')
  await pass(16)
  await expect(answer).rejects.toMatchObject({ code: 'unavailable' })
  expect(hungUp()).toBe(true)
})

test('while a large body goes out, nothing has to come for minutes', async () => {
  const { call, begin, send, end } = server()
  const answer = call('importMe', { body: { source: 'lockstep', data: {} } })
  await pass(299)
  begin()
  send('{}')
  end()
  expect(await answer).toEqual({})
})

test('who no longer wants it hangs up at once', async () => {
  const { asked, begin, hungUp } = server()
  const page = new AbortController()
  const answer = asked({ signal: page.signal })
  begin()
  page.abort()
  await expect(answer).rejects.toMatchObject({ code: 'unavailable' })
  expect(hungUp()).toBe(true)
  expect(vi.getTimerCount()).toBe(0)
})
