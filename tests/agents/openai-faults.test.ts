// What a person reads when an OpenAI-compatible server refuses, and what the operator's log gets.
import { Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { createOpenAiProvider, type OpenAiOptions } from '../../realtime/agents/openai.ts'
import type { ProviderFault, ReasonCode } from '../../realtime/agents/provider.ts'
import { Producer } from '../../realtime/agents/producer.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { OpenAiServer, type Script } from './openai-server.ts'
import { quick, RecordingSink } from './recording-sink.ts'

const html = { 'content-type': 'text/html; charset=utf-8' }
const page = '<!doctype html><title>Sign in</title>'
const messages = [{ role: 'user' as const, content: 'a private question' }]
const request = { instructions: '', messages, model: 'tiny' }

async function answerOf(server: OpenAiServer, options: OpenAiOptions = {}, signal?: AbortSignal) {
  const provider = createOpenAiProvider(
    { baseUrl: server.url, apiKey: 'sk-secret' },
    { pauseMs: 1, silenceMs: 300, ...options },
  )
  let text = ''
  try {
    for await (const event of provider.stream({
      ...request,
      signal: signal ?? new AbortController().signal,
    }))
      if (event.kind === 'text') text += event.text
  } catch (error) {
    return { text, fault: error as ProviderFault, asked: server.questions.length }
  }
  return { text, fault: undefined, asked: server.questions.length }
}

const tooLong = [
  "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.",
  'prompt is too long: 210000 tokens > 200000 maximum',
  'The input token count (1189000) exceeds the maximum number of tokens allowed (1048576).',
  'Input is too long for requested model.',
  'the request exceeds the available context size. try increasing the context size',
  '`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens',
  'Please reduce the length of the messages or completion.',
  'Requested tokens (5000) exceed context window of 4096',
  'too many tokens: total number of tokens in the prompt cannot exceed 4081',
  'Trying to keep the first 5000 tokens when context the overflows.',
  'Prompt contains 5000 tokens, too large for model with 4096 maximum context length',
  'input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000',
  'Input validation error: `inputs` must have less than 4097 tokens. Given: 5000',
  'Range of input length should be [1, 30720]',
  "This model's maximum prompt length is 131072 but the request contains 200000 tokens.",
  'Invalid request: Your request exceeded model token limit: 8192',
  'Your input exceeds the limit of this model',
  'total tokens (5000) exceed the model limit (4096)',
  "Invalid 'messages[0].content': string too long. Expected a maximum length of 1048576",
  'Prompt 超长',
]
const otherwise = [
  'max_tokens is too large: 100000. This model supports at most 16384 completion tokens.',
  'temperature must be between 0 and 2',
  "'stop' may have at most 4 items",
]

describe('a refusal is understood by the words of its message', () => {
  const cases = [
    ...tooLong.map((message) => [message, 'too_long', 1] as const),
    ...otherwise.map((message) => [message, 'refused', 2] as const),
  ]
  test.each(cases)('%s: %s', async (message, code, asked) => {
    const shapes = [
      { error: { message, type: 'invalid_request_error' } },
      { object: 'error', message, type: 'BadRequestError', param: null, code: 400 },
      { error: message },
      { detail: message },
    ]
    for (const body of shapes) {
      await using server = await OpenAiServer.start((answer) => answer.respond(400, body))
      const outcome = await answerOf(server)
      expect([outcome.fault?.code, outcome.asked]).toEqual([code, asked])
    }
  })

  test.each([429, 413, 400])(
    '%d: a limit of tokens per minute is not a thread that is too long',
    async (status) => {
      const message = 'This request would exceed the limit of 10000 input tokens per minute'
      await using server = await OpenAiServer.start((answer) => answer.refuse(status, { message }))
      expect((await answerOf(server)).fault?.code).toBe('busy')
    },
  )
})

describe('what isn’t the answer of a chat API ends with a reason', () => {
  const cases: [string, ReasonCode, number, Script][] = [
    ['a page', 'wrong_address', 1, (answer) => answer.respond(200, page, html)],
    ['a page that doesn’t say so', 'wrong_address', 1, (answer) => answer.raw(page)],
    ['a page that isn’t found', 'wrong_address', 1, (answer) => answer.respond(404, page, html)],
    ['FastAPI’s 404', 'wrong_address', 1, (answer) => answer.respond(404, { detail: 'Not Found' })],
    [
      'a bare 404',
      'wrong_address',
      1,
      (answer) => answer.respond(404, '404 page not found', { 'content-type': 'text/plain' }),
    ],
    [
      'an unknown URL',
      'wrong_address',
      1,
      (answer) => answer.refuse(404, { message: 'Invalid URL (POST /chat/completions)' }),
    ],
    [
      'an unknown endpoint with 200',
      'wrong_address',
      1,
      (answer) => answer.respond(200, { error: 'Unexpected endpoint or method. (POST /x)' }),
    ],
    [
      'a document that is no answer',
      'wrong_address',
      1,
      (answer) => answer.respond(200, { code: 500, msg: '404 NOT_FOUND', success: false }),
    ],
    ['another method', 'wrong_address', 1, (answer) => answer.respond(405, '')],
    [
      'an unknown model',
      'unknown_model',
      1,
      (answer) => answer.refuse(404, { message: 'model "tiny" not found, try pulling it first' }),
    ],
    ['a proxy’s page', 'broken', 3, (answer) => answer.respond(502, page, html)],
    [
      'an error with 200',
      'no_credit',
      1,
      (answer) => answer.respond(200, { error: { code: 402, message: 'Insufficient credits' } }),
    ],
    [
      'an error with 200 that names a code',
      'unauthorized',
      1,
      (answer) => answer.respond(200, { error: { code: 'invalid_api_key' } }),
    ],
    ['JSON that breaks off', 'malformed', 3, (answer) => (answer.raw('{"choi'), answer.end())],
    ['nothing', 'closed_early', 3, (answer) => answer.respond(200, '')],
  ]
  test.each(cases)('%s: %s', async (_name, code, asked, script) => {
    await using server = await OpenAiServer.start(
      (answer) => (void script(answer), void (answer.isOpen && answer.end())),
    )
    const outcome = await answerOf(server)
    expect([outcome.fault?.code, outcome.asked]).toEqual([code, asked])
  })
})

describe('while a server loads its model', () => {
  const loading: Script = (answer) =>
    answer.refuse(503, { code: 503, message: 'Loading model', type: 'unavailable_error' })
  const ready: Script = (answer) => (answer.text('Ready.'), answer.finish())

  test('it is asked again until it answers', async () => {
    await using server = await OpenAiServer.start(...Array<Script>(6).fill(loading), ready)
    expect(await answerOf(server)).toEqual({ text: 'Ready.', fault: undefined, asked: 7 })
  })

  test('the pause that it asks for is kept', async () => {
    await using server = await OpenAiServer.start(
      (answer) => answer.refuse(503, {}, { 'retry-after-ms': '80' }),
      ready,
    )
    const began = performance.now()
    expect((await answerOf(server)).text).toBe('Ready.')
    expect(performance.now() - began).toBeGreaterThanOrEqual(79)
  })

  test('the waiting ends with a reason', async () => {
    await using server = await OpenAiServer.start(loading)
    const { fault, asked } = await answerOf(server, { loadingMs: 500 })
    expect(fault?.code).toBe('loading')
    expect(asked).toBeGreaterThan(3)
  })

  test('a stop ends it at once', async () => {
    const stop = new AbortController()
    await using server = await OpenAiServer.start((answer) => {
      answer.refuse(503, {}, { 'retry-after': '60' })
      setTimeout(() => stop.abort(), 20)
    })
    const began = performance.now()
    await answerOf(server, {}, stop.signal)
    expect(performance.now() - began).toBeLessThan(5_000)
    expect(server.questions).toHaveLength(1)
  })
})

test('the log has status, content type and address, and neither key nor text', async () => {
  await using server = await OpenAiServer.start((answer) => answer.respond(200, page, html))
  let log = ''
  const destination = new Writable({
    write(line, _encoding, done) {
      log += String(line)
      done()
    },
  })
  const provider = createOpenAiProvider({
    baseUrl: `${server.url}?key=sk-query`,
    apiKey: 'sk-secret',
  })
  const source = (signal: AbortSignal) => provider.stream({ ...request, signal })
  await new Producer(source, new RecordingSink(), {
    timings: quick,
    logger: createLogger('info', destination),
  }).run()
  expect(JSON.parse(log)).toMatchObject({
    reason: 'wrong_address',
    provider: {
      address: `${server.url}/chat/completions`,
      status: 200,
      content_type: 'text/html; charset=utf-8',
    },
  })
  expect(log).not.toMatch(/sk-|private|Sign in/)
})
