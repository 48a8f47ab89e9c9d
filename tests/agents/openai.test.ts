// The OpenAI-compatible provider against a server that misbehaves.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createOpenAiProvider } from '../../realtime/agents/openai.ts'
import {
  ProviderFault,
  reasons,
  type ProviderEvent,
  type ProviderRequest,
} from '../../realtime/agents/provider.ts'
import { thinkingTags } from '@lockstep/protocol/thinking-tags'
import { ThinkTagParser } from '../../realtime/agents/think-tags.ts'
import { freePort } from '../harness/free-port.ts'
import { OpenAiServer, type Answer, type Script } from './openai-server.ts'
import { produce } from './recording-sink.ts'

const apiKey = 'sk-secret'

const request: ProviderRequest = {
  instructions: 'Be brief.',
  messages: [{ role: 'user', content: 'Hi' }],
  model: 'tiny',
  signal: new AbortController().signal,
}

/** Reads an answer to its end. `fault` is the error with which it ended, if any. */
async function answerOf(server: { url: string }, asked: Partial<ProviderRequest> = {}) {
  const provider = createOpenAiProvider(
    { baseUrl: server.url, apiKey },
    { pauseMs: 1, silenceMs: 300 },
  )
  const pieces: ProviderEvent[] = []
  try {
    for await (const piece of provider.stream({ ...request, ...asked })) pieces.push(piece)
  } catch (error) {
    return { pieces, fault: error as ProviderFault }
  }
  return { pieces, fault: undefined }
}

const hello = (answer: Answer): void => {
  answer.text('Hel')
  answer.text('lo')
  answer.finish('stop', { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 })
}
const helloPieces = [
  { kind: 'text', text: 'Hel' },
  { kind: 'text', text: 'lo' },
  { kind: 'usage', usage: { prompt_tokens: 3, completion_tokens: 2 } },
]

test('sends the instructions, the thread, the model, the temperature and the key', async () => {
  await using server = await OpenAiServer.start(hello)
  const ids = { user_id: 'u', run_id: 'r', conversation_id: 'c', message_id: 'm' }
  const { pieces } = await answerOf(server, { temperature: 0.3, ids })
  expect(pieces).toEqual(helloPieces)
  const { headers, body } = server.questions[0]!
  expect(headers.authorization).toBe('Bearer sk-secret')
  expect(Object.keys(headers).filter((name) => name.startsWith('lockstep'))).toEqual([])
  expect(body).toMatchObject({
    model: 'tiny',
    temperature: 0.3,
    stream: true,
    stream_options: { include_usage: true },
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hi' },
    ],
  })
})

test.each(['reasoning_content', 'reasoning'] as const)('takes thinking from `%s`', async (name) => {
  await using server = await OpenAiServer.start((answer) => {
    answer.thinking('Hm…', name)
    answer.text('Yes.')
    answer.finish()
  })
  expect((await answerOf(server)).pieces).toEqual([
    { kind: 'thinking', text: 'Hm…' },
    { kind: 'text', text: 'Yes.' },
  ])
})

test('a server that refuses `stream_options` is not sent them again', async () => {
  const picky: Script = (answer) =>
    answer.question.body.stream_options ? answer.refuse(400) : hello(answer)
  await using server = await OpenAiServer.start(picky)
  const provider = createOpenAiProvider({ baseUrl: server.url })
  for (let turn = 0; turn < 2; turn++) {
    const pieces = await Array.fromAsync(provider.stream(request))
    expect(pieces).toEqual(helloPieces)
  }
  expect(server.questions.map(({ body }) => body.stream_options !== undefined)).toEqual([
    true,
    false,
    false,
  ])
})

test('a request that is refused for another reason does not stop the counting of tokens', async () => {
  const strict: Script = (answer) =>
    answer.question.body.temperature === 2 ? answer.refuse(400) : hello(answer)
  await using server = await OpenAiServer.start(strict)
  const provider = createOpenAiProvider({ baseUrl: server.url })
  await expect(
    Array.fromAsync(provider.stream({ ...request, temperature: 2 })),
  ).rejects.toMatchObject({ code: 'refused' })
  expect(await Array.fromAsync(provider.stream(request))).toEqual(helloPieces)
  expect(server.questions.at(-1)!.body.stream_options).toEqual({ include_usage: true })
})

describe('a refusal ends with a reason', () => {
  const cases = [
    { status: 401, error: { code: 'invalid_api_key' }, code: 'unauthorized', asked: 1 },
    { status: 403, error: {}, code: 'unauthorized', asked: 1 },
    { status: 404, error: { code: 'model_not_found' }, code: 'unknown_model', asked: 1 },
    { status: 429, error: { code: 'insufficient_quota' }, code: 'no_credit', asked: 1 },
    { status: 429, error: {}, code: 'busy', asked: 3 },
    { status: 400, error: { code: 'context_length_exceeded' }, code: 'too_long', asked: 1 },
    { status: 400, error: {}, code: 'refused', asked: 2 },
    { status: 500, error: {}, code: 'broken', asked: 3 },
    { status: 503, error: {}, code: 'broken', asked: 3 },
  ]
  test.each(cases)(
    '$status $error.code: $code, asked $asked times',
    async ({ status, error, code, asked }) => {
      await using server = await OpenAiServer.start((answer) => answer.refuse(status, error))
      const { fault, pieces } = await answerOf(server)
      expect(fault).toBeInstanceOf(ProviderFault)
      expect(fault?.code).toBe(code)
      expect(pieces).toEqual([])
      expect(server.questions).toHaveLength(asked)
    },
  )
})

test('no reason contains a key, an address or text of the provider', () => {
  for (const reason of Object.values(reasons))
    expect(reason).not.toMatch(/sk-|http|\d+\.\d+|inner workings/)
})

test('waits as long as the server asks before it tries again', async () => {
  await using server = await OpenAiServer.start(
    (answer) => answer.refuse(429, {}, { 'retry-after-ms': '80' }),
    hello,
  )
  const began = performance.now()
  expect((await answerOf(server)).pieces).toEqual(helloPieces)
  expect(performance.now() - began).toBeGreaterThanOrEqual(79)
})

test('does not try again when the server asks for a long wait', async () => {
  await using server = await OpenAiServer.start((answer) =>
    answer.refuse(429, {}, { 'retry-after': '60' }),
  )
  expect((await answerOf(server)).fault?.code).toBe('busy')
  expect(server.questions).toHaveLength(1)
})

test('a connection that breaks before the first token is tried again', async () => {
  await using server = await OpenAiServer.start((answer) => answer.drop(), hello)
  expect((await answerOf(server)).pieces).toEqual(helloPieces)
})

test('a server that isn’t there is unreachable', async () => {
  const { fault } = await answerOf({ url: `http://127.0.0.1:${await freePort()}/v1` })
  expect(fault?.code).toBe('unreachable')
})

describe('after the first token no request is repeated', () => {
  const endings: [string, string, Script][] = [
    ['a dropped connection', 'closed_early', (answer) => answer.drop()],
    [
      'a body that ends in the middle of a frame',
      'malformed',
      (answer) => (answer.raw('data: {"choi'), answer.end()),
    ],
    ['a body that ends without a reason to', 'closed_early', (answer) => answer.end()],
    [
      'malformed JSON',
      'malformed',
      (answer) => (answer.raw('data: {"choices": [}\n\n'), answer.end()),
    ],
    [
      'an error in the stream',
      'broken',
      (answer) => answer.chunk({ error: { message: 'overloaded' } }),
    ],
  ]
  test.each(endings)('%s: %s', async (_name, code, ending) => {
    await using server = await OpenAiServer.start(async (answer) => {
      answer.text('Hel')
      await new Promise((resolve) => setImmediate(resolve))
      await ending(answer)
    })
    const { pieces, fault } = await answerOf(server)
    expect(pieces).toEqual([{ kind: 'text', text: 'Hel' }])
    expect(fault?.code).toBe(code)
    expect(server.questions).toHaveLength(1)
  })
})

describe('a complete answer is complete, whatever happens to the connection', () => {
  const usage = { choices: [], usage: { prompt_tokens: 3, completion_tokens: 2 } }
  const finish = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }
  const endings: [string, boolean, Script][] = [
    ['it stays open after the reason to finish', false, (answer) => answer.chunk(finish)],
    [
      'it stays open after the tokens',
      true,
      (answer) => (answer.chunk(finish), answer.chunk(usage)),
    ],
    [
      'it is dropped after the reason to finish',
      false,
      (answer) => (answer.chunk(finish), setImmediate(() => answer.drop())),
    ],
    [
      'it stays open after the word that it is done',
      true,
      (answer) => (answer.chunk(usage), answer.raw('data: [DONE]\n\n')),
    ],
    [
      'that word comes in two halves',
      false,
      (answer) => (answer.raw('data: [DO'), setImmediate(() => answer.raw('NE]\n\n'))),
    ],
  ]
  test.each(endings)('%s', async (_name, counted, ending) => {
    await using server = await OpenAiServer.start((answer) => {
      answer.text('Hel')
      answer.text('lo')
      void ending(answer)
    })
    const { pieces, fault } = await answerOf(server)
    expect(fault).toBeUndefined()
    expect(pieces).toEqual(counted ? helloPieces : helloPieces.slice(0, 2))
  })
})

test('thinking in tags at the beginning is recognised however chunks cut it, and later tags are text', () => {
  const thoughts = fc.constantFrom('', 'Hm.', '\nSo </think or <think>?\n', '<')
  const answers = fc.constantFrom('', 'Yes.', 'Say <think>no</think>.', '<th', '[1] Yes.')
  const pairs = fc.constantFrom(...thinkingTags)
  const cutting = fc.array(fc.nat(20))
  fc.assert(
    fc.property(fc.option(thoughts), answers, pairs, cutting, (thought, answer, tag, cuts) => {
      let rest = thought === null ? answer : ` \n${tag.open}${thought}${tag.close}\n\n${answer}`
      const tags = new ThinkTagParser()
      const pieces = cuts.flatMap((cut) => {
        const piece = rest.slice(0, cut)
        rest = rest.slice(cut)
        return [...tags.parse(piece)]
      })
      pieces.push(...tags.parse(rest), ...tags.end())
      const of = (kind: 'text' | 'thinking') =>
        pieces.map((piece) => (piece.kind === kind ? piece.text : '')).join('')
      expect([of('thinking'), of('text')]).toEqual([thought ?? '', answer])
      for (const piece of pieces) expect(piece).not.toMatchObject({ text: '' })
    }),
  )
})

test('a thinking tag that is never closed leaves no answer', async () => {
  await using server = await OpenAiServer.start((answer) => {
    for (const text of ['<th', 'ink>Hm', '</thi']) answer.text(text)
    answer.finish('length')
  })
  expect((await answerOf(server)).pieces).toEqual([
    { kind: 'thinking', text: 'Hm' },
    { kind: 'thinking', text: '</thi' },
    { kind: 'truncated', code: 'cut' },
  ])
})

test('an answer that reached the model’s limit is marked as truncated', async () => {
  await using server = await OpenAiServer.start((answer) => {
    answer.text('Once upon')
    answer.finish('length')
  })
  expect((await answerOf(server)).pieces).toEqual([
    { kind: 'text', text: 'Once upon' },
    { kind: 'truncated', code: 'cut' },
  ])
})

test('chunks without choices, content or sense are ignored', async () => {
  await using server = await OpenAiServer.start((answer) => {
    answer.raw(': a comment\n\n')
    answer.chunk({})
    answer.chunk({ choices: [] })
    answer.chunk({ choices: [{ index: 0, delta: { role: 'assistant', content: null } }] })
    answer.chunk({ choices: [{ index: 0, delta: { content: 7 } }] })
    answer.chunk({ choices: [{ index: 0 }] })
    hello(answer)
  })
  expect((await answerOf(server)).pieces).toEqual(helloPieces)
})

test('a reader that stops closes the connection', async () => {
  const closed = Promise.withResolvers<void>()
  await using server = await OpenAiServer.start(async (answer) => {
    answer.text('Hel')
    await answer.closed
    closed.resolve()
  })
  const abort = new AbortController()
  const provider = createOpenAiProvider({ baseUrl: server.url })
  const reading = Array.fromAsync(provider.stream({ ...request, signal: abort.signal }))
  reading.catch(() => undefined)
  await expect.poll(() => server.questions.length).toBe(1)
  abort.abort()
  await closed.promise
})

type Drip = (answer: Answer) => void

/** Writes the same text until the client disconnects, often enough never to count as silent. */
async function drip(answer: Answer, drop: Drip): Promise<void> {
  let over = false
  void answer.closed.then(() => (over = true))
  while (!over) {
    drop(answer)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const inFrame: Drip = (answer) => answer.raw('z')
const brief = {
  too_slow: { totalMs: 600 },
  no_answer: { firstEventMs: 250 },
  stalled: { idleMs: 250 },
}

test.each<[string, keyof typeof brief, RegExp, begins: Drip, Drip]>([
  [
    'one letter at a time',
    'too_slow',
    /^Halfz+$/,
    (answer) => answer.text('Half'),
    (answer) => answer.text('z'),
  ],
  [
    'thoughts that lead to nothing',
    'too_slow',
    /^$/,
    () => undefined,
    (answer) => answer.thinking('Hm. '),
  ],
  [
    'what keeps the line open',
    'no_answer',
    /^$/,
    () => undefined,
    (answer) => answer.raw(': wait\n\n'),
  ],
  ['a first frame that never ends', 'no_answer', /^$/, () => undefined, inFrame],
  ['a frame that never ends', 'stalled', /^Half$/, (answer) => answer.text('Half'), inFrame],
  ['a refusal that never ends', 'no_answer', /^$/, (answer) => answer.raw('z', 500), inFrame],
])(
  'a response that drips %s fails at its deadline: %s, %s, and its connection is closed',
  async (_what, code, text, begin, drop) => {
    const hungUp = Promise.withResolvers<void>()
    await using server = await OpenAiServer.start(async (answer) => {
      begin(answer)
      await drip(answer, drop)
      hungUp.resolve()
    })
    const provider = createOpenAiProvider({ baseUrl: server.url })
    const { sink, done } = produce((signal) => provider.stream({ ...request, signal }), brief[code])
    expect(await done).toBe('failed')
    expect(sink.text).toMatch(text)
    expect(sink.ending!.metadata).toMatchObject({ reason_code: code, reason: reasons[code] })
    await hungUp.promise
  },
)
