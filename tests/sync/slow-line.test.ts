// Requests of the client over a slow line and over a dead line. Only the dead line is given up.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createCall, type CallOptions } from '../../clients/typescript/src/rest/call.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  vi.spyOn(globalThis, 'setTimeout')
  vi.spyOn(globalThis, 'clearTimeout')
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** How many of the client's timers were never cleared. Other files' timers don't count. */
function uncleared(): number {
  const cleared = new Set(vi.mocked(clearTimeout).mock.calls.map(([timer]) => timer))
  const { calls, results } = vi.mocked(setTimeout).mock
  const isOfClient = (ms?: number) => ms === 15_000 || ms === 300_000
  return calls.filter(([, ms], n) => isOfClient(ms) && !cleared.has(results[n]?.value)).length
}

const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1_000)
const unavailable = { code: 'unavailable', message: 'The server does not answer' }
const text = JSON.stringify({ items: [{ title: 'A long one' }], next_cursor: null })

/** A server whose response is controlled by the test. */
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
  // A read that waits asks for a piece, so the test knows when the client has taken the last one.
  let wanted = Promise.withResolvers<void>()
  const stream = new ReadableStream<Uint8Array>(
    {
      start: (controller) => void (body = controller),
      pull: () => wanted.resolve(),
    },
    { highWaterMark: 0 },
  )
  const call = createCall({ origin: '', fetch, headers: () => ({}), userId: () => undefined })
  const asked = (options?: CallOptions) => {
    const answer = call('listConversations', {}, options)
    answer.catch(() => undefined)
    return answer
  }
  return {
    call,
    asked,
    /** Resolves when the client reads the body. */
    begin: () => {
      head.resolve(new Response(stream, { status }))
      return wanted.promise
    },
    /** Resolves when the client has taken the piece and waits for the next one. */
    send: (piece: string) => {
      wanted = Promise.withResolvers()
      body.enqueue(new TextEncoder().encode(piece))
      return wanted.promise
    },
    end: () => body.close(),
    hungUp: () => hungUp,
  }
}

test('a response that trickles in for minutes is accepted', async () => {
  const { asked, begin, send, end, hungUp } = server()
  const answer = asked()
  await pass(14)
  await begin()
  for (const letter of text) {
    await pass(14)
    await send(letter)
  }
  await pass(14)
  end()
  expect(await answer).toEqual(JSON.parse(text))
  await pass(600)
  expect(hungUp()).toBe(false)
  expect(uncleared()).toBe(0)
})

test.each<[string, until: (one: ReturnType<typeof server>) => Promise<void>]>([
  ['before it begins', () => Promise.resolve()],
  ['before its first piece', ({ begin }) => begin()],
  ['in the middle', ({ begin, send }) => begin().then(() => send(text.slice(0, 9)))],
])(
  'a response that stops %s is given up after 15 s of silence, and its request is aborted',
  async (_when, until) => {
    const one = server()
    const answer = one.asked()
    await until(one)
    await pass(14)
    expect(one.hungUp()).toBe(false)
    await pass(2)
    await expect(answer).rejects.toMatchObject(unavailable)
    expect(one.hungUp()).toBe(true)
    expect(uncleared()).toBe(0)
  },
)

test('a problem that stops in the middle is given up too, with the fault that its status stands for', async () => {
  const { asked, begin, send, hungUp } = server(503)
  const answer = asked()
  await begin()
  await send('{"code":')
  await pass(16)
  await expect(answer).rejects.toMatchObject({ code: 'unavailable' })
  expect(hungUp()).toBe(true)
})

test('while a large body is sent, the server may be silent for minutes', async () => {
  const { call, begin, send, end } = server()
  const answer = call('importMe', { body: { source: 'lockstep', data: {} } })
  await pass(299)
  await begin()
  await send('{}')
  end()
  expect(await answer).toEqual({})
})

test('a caller that aborts ends the request at once', async () => {
  const { asked, begin, hungUp } = server()
  const page = new AbortController()
  const answer = asked({ signal: page.signal })
  await begin()
  page.abort()
  await expect(answer).rejects.toMatchObject({ code: 'unavailable' })
  expect(hungUp()).toBe(true)
  expect(uncleared()).toBe(0)
})
