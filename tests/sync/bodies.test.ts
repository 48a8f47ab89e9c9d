// Responses without a body. Browsers give some of them an empty stream, which no other response may
// be made of.
import { expect, test } from 'vitest'
import { createEngine } from '@lockstep/client'

/** What an operation of the contract may be answered with, and every status without a body. */
const bodiless = [
  { status: 201, ok: true },
  { status: 202, ok: true },
  { status: 204, ok: true },
  { status: 205, ok: true },
  { status: 304, ok: false },
]

/** A response as a browser gives it: `body` is a stream, or null, whatever the status. */
function responseOf(status: number, body: ReadableStream | null): Response {
  const response = new Response(null, { status })
  Object.defineProperty(response, 'body', { value: body })
  return response
}
const streamOf = (...pieces: Uint8Array[]) =>
  new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece)
      controller.close()
    },
  })

const callThrough = (response: Response) =>
  createEngine({ origin: 'http://test', fetch: () => Promise.resolve(response) }).call

test.each(bodiless)(
  'a response with status $status has no body, with and without a stream',
  async ({ status, ok }) => {
    for (const body of [null, streamOf()]) {
      const answer = callThrough(responseOf(status, body))('logout')
      if (ok) expect(await answer).toBeUndefined()
      else await expect(answer).rejects.toMatchObject({ code: 'internal' })
    }
  },
)

test('a successful response that has a stream without content is one without a body', async () => {
  expect(await callThrough(responseOf(200, streamOf()))('logout')).toBeUndefined()
})

test('a body may be cut anywhere, also within a character', async () => {
  const bytes = new TextEncoder().encode('{"items":[{"name":"Übung 🌱"}]}')
  for (let at = 0; at <= bytes.length; at++) {
    const body = streamOf(bytes.subarray(0, at), bytes.subarray(at))
    expect(await callThrough(responseOf(200, body))('listAgents')).toEqual({
      items: [{ name: 'Übung 🌱' }],
    })
  }
})

test('an error that is no problem, such as a proxy’s page, is told by its status', async () => {
  const page = (status: number) => responseOf(status, streamOf(new TextEncoder().encode('<html>')))
  await expect(callThrough(page(502))('getMe')).rejects.toMatchObject({ code: 'unavailable' })
  await expect(callThrough(page(500))('getMe')).rejects.toMatchObject({ code: 'internal' })
  await expect(callThrough(responseOf(503, null))('getMe')).rejects.toMatchObject({
    code: 'unavailable',
  })
})
