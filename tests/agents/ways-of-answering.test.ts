// The ways in which servers answer: whatever the shape of an answer, the person gets all of it.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createOpenAiProvider } from '../../realtime/agents/openai.ts'
import { OpenAiServer, type Script } from './openai-server.ts'
import { produce } from './recording-sink.ts'
import { scripted, type Step } from './scripted-steps.ts'

const done: Step = { data: '[DONE]' }
const choice = (fields: object): Step => ({ data: { id: 'c', choices: [{ index: 0, ...fields }] } })
const delta = (fields: object, finish_reason: unknown = null): Step =>
  choice({ delta: fields, finish_reason })
const text = (content: string, finish?: unknown): Step => delta({ content }, finish)
const stop = delta({}, 'stop')
const textChoice = (content: string, finish_reason: unknown = null) => ({
  choices: [{ index: 0, delta: { content }, finish_reason }],
})
/** A whole answer with one JSON document in each line. */
const lines = (...documents: object[]): Step => ({
  status: 200,
  headers: { 'content-type': 'application/x-ndjson' },
  body: documents.map((document) => `${JSON.stringify(document)}\n`).join(''),
})
const wait = (wait_ms: number): Step => ({ wait_ms })

const messages = [{ role: 'user' as const, content: 'Hi' }]
const request = { instructions: '', messages, model: 'm' }

async function replyOf(script: Script) {
  await using server = await OpenAiServer.start(script)
  const provider = createOpenAiProvider({ baseUrl: server.url }, { pauseMs: 1, silenceMs: 300 })
  const { sink, done } = produce((signal) => provider.stream({ ...request, signal }))
  const status = await done
  const { thinking, reason_code } = sink.ending!.metadata
  expect(sink.shown).toBe(sink.text)
  return { status, text: sink.text, thinking, reason_code, asked: server.questions.length }
}

interface Expected {
  text: string
  thinking?: string
  status?: string
  reason_code?: string
}

const ways: Record<string, [Step[], Expected]> = {
  'a reason to finish in each chunk': [
    [text('Oaks ', 'stop'), wait(40), text('need ', 'STOP'), wait(40), text('light.', 'stop')],
    { text: 'Oaks need light.' },
  ],
  'text after a reason to finish': [
    [text('Roots. '), text('', 'stop'), wait(150), text('Leaves.'), stop, done],
    { text: 'Roots. Leaves.' },
  ],
  'a reason to finish with the thinking': [
    [delta({ reasoning: 'Hm.' }, 'stop'), wait(50), text('Yes.'), done],
    { text: 'Yes.', thinking: 'Hm.' },
  ],
  'the word "null" as a reason to finish': [
    [text('Bread ', 'null'), wait(350), text('is flour.', 'None'), wait(350), stop, done],
    { text: 'Bread is flour.' },
  ],
  'a list of parts': [
    [
      delta({ content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'Greet' }] }] }),
      delta({
        content: [
          { type: 'thinking', thinking: ' back.' },
          { type: 'text', text: 'Good ' },
        ],
      }),
      delta({ content: [{ type: 'reference', reference_ids: [1] }] }),
      text('morning '),
      delta({
        content: [
          { type: 'text', text: 'to ' },
          { type: 'output_text', text: 'you.' },
        ],
      }),
      stop,
    ],
    { text: 'Good morning to you.', thinking: 'Greet back.' },
  ],
  'parts that say that they are thoughts': [
    [delta({ content: [{ text: 'Hm.', thought: true }, { text: 'Yes.' }] }), stop],
    { text: 'Yes.', thinking: 'Hm.' },
  ],
  'thinking in `reasoning_details`': [
    [
      delta({ content: '', reasoning_details: [{ type: 'reasoning.text', text: 'Only ' }] }),
      delta({ reasoning_details: [{ type: 'reasoning.summary', summary: 'here.' }] }),
      delta({ reasoning_details: [{ type: 'reasoning.encrypted', data: 'c2VhbGVk' }] }),
      text('Yes.', 'stop'),
    ],
    { text: 'Yes.', thinking: 'Only here.' },
  ],
  'an empty field of thinking beside a filled one': [
    [delta({ content: '', reasoning_content: '', reasoning: 'Hm.' }), text('Yes.', 'stop')],
    { text: 'Yes.', thinking: 'Hm.' },
  ],
  'the same thinking in several fields': [
    [
      delta({ reasoning: 'Hm, ', reasoning_text: 'Hm, ', reasoning_details: [{ text: 'Hm, ' }] }),
      delta({ reasoning_content: ' ', reasoning: ' ' }),
      delta({ reasoning_text: 'well.' }),
      text('Yes.', 'stop'),
    ],
    { text: 'Yes.', thinking: 'Hm,  well.' },
  ],
  'a message in place of a delta': [
    [
      choice({ message: { role: 'assistant', content: 'All of it.' }, finish_reason: 'stop' }),
      done,
    ],
    { text: 'All of it.' },
  ],
  'messages that hold all text so far': [
    [
      choice({ message: { content: 'All ' } }),
      choice({ message: { content: 'All of it.' } }),
      stop,
    ],
    { text: 'All of it.' },
  ],
  'messages that hold the next piece': [
    [choice({ message: { content: 'All ' } }), choice({ message: { content: 'of it.' } }), stop],
    { text: 'All of it.' },
  ],
  'a message beside a delta': [
    [
      choice({ delta: { content: 'All ' }, message: { content: 'All ' } }),
      choice({ delta: { content: 'of it.' }, message: { content: 'All of it.' } }),
      choice({ delta: {}, message: { content: 'All of it.' }, finish_reason: 'stop' }),
    ],
    { text: 'All of it.' },
  ],
  'a message beside an empty delta': [
    [choice({ delta: {}, message: { content: 'All of it.' }, finish_reason: 'stop' })],
    { text: 'All of it.' },
  ],
  'a whole answer in place of a stream': [
    [
      {
        status: 200,
        body: {
          choices: [
            { message: { content: 'All at once.', reasoning: 'Hm.' }, finish_reason: 'stop' },
          ],
        },
      },
    ],
    { text: 'All at once.', thinking: 'Hm.' },
  ],
  'a whole answer that calls itself a stream': [
    [
      {
        status: 200,
        headers: { 'content-type': 'text/event-stream' },
        body: `\n ${JSON.stringify({ choices: [{ message: { content: '<think>a</think>b' } }] }, null, 2)}`,
      },
    ],
    { text: 'b', thinking: 'a' },
  ],
  'other tags of thinking': [
    [text('[THI'), text('NK]Hm.[/TH'), text('INK]\nYes.', 'stop')],
    { text: 'Yes.', thinking: 'Hm.' },
  ],
  'a closing tag without an opening one': [
    [text('Two and two '), text('make four.\n</th'), text('ink>\n\n'), text('It is 4.', 'stop')],
    { text: 'It is 4.', thinking: 'Two and two make four.' },
  ],
  'a chunk in each line, without a stream': [
    [lines(textChoice('All '), textChoice('of it.', 'stop'))],
    { text: 'All of it.' },
  ],
  'a message in each line, without choices': [
    [lines({ message: { content: 'All ' } }, { message: { content: 'of it.' }, done: true })],
    { text: 'All of it.' },
  ],
  'a list of chunks in place of a stream': [
    [{ status: 200, body: [textChoice('All '), textChoice('of it.', 'stop')] }],
    { text: 'All of it.' },
  ],
  'events without blank lines between them': [
    [
      {
        status: 200,
        headers: { 'content-type': 'text/event-stream' },
        body: [textChoice('All '), textChoice('of it.'), '[DONE]'].reduce<string>(
          (body, data) =>
            `${body}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n`,
          '',
        ),
      },
    ],
    { text: 'All of it.' },
  ],
  'an error as a field of the stream': [
    [
      {
        status: 200,
        headers: { 'content-type': 'text/event-stream' },
        body: 'error: {"code":400,"message":"the request exceeds the available context size"}\n\n',
      },
    ],
    { text: '', status: 'failed', reason_code: 'too_long' },
  ],
  'text as the delta, or beside its usual name': [
    [choice({ delta: 'All ' }), choice({ delta: { text: 'of it.' } }), stop],
    { text: 'All of it.' },
  ],
  'several choices': [
    [
      { data: { choices: [{ index: 1, delta: { content: 'Another' } }] } },
      text('All of it.'),
      { data: { choices: [{ index: 1, delta: { content: ' one' }, finish_reason: 'stop' }] } },
      stop,
    ],
    { text: 'All of it.' },
  ],
  'a reason to finish within the delta': [
    [choice({ delta: { content: 'It ends in the mid', finish_reason: 'length' } })],
    { text: 'It ends in the mid', reason_code: 'cut' },
  ],
  'a reason to finish as an object': [
    [
      choice({ delta: { content: 'It ends in the mid' } }),
      choice({ delta: {}, finish_reason: null, finish_details: { type: 'max_tokens' } }),
    ],
    { text: 'It ends in the mid', reason_code: 'cut' },
  ],
  'a line that stays open after the end': [
    [text('All of it.', 'end_turn'), wait(3_000)],
    { text: 'All of it.' },
  ],
  'an error within the stream': [
    [text('Half', 'stop'), { data: { object: 'error', message: 'overloaded', code: 500 } }],
    { text: 'Half' },
  ],
}
for (const reason of ['length', 'max_tokens', 'MAX_TOKENS', 'model_length', 'max_output_tokens'])
  ways[`the limit "${reason}"`] = [
    [text('It ends in the mid'), delta({}, reason), done],
    { text: 'It ends in the mid', reason_code: 'cut' },
  ]
for (const reason of ['content_filter', 'safety', 'SAFETY', 'PROHIBITED_CONTENT', 'refusal']) {
  ways[`the content rules "${reason}"`] = [
    [text('It ends in the mid'), delta({}, reason), done],
    { text: 'It ends in the mid', reason_code: 'withheld' },
  ]
  ways[`the content rules "${reason}" before the first word`] = [
    [delta({}, reason), done],
    { text: '', reason_code: 'filtered', status: 'failed' },
  ]
}
ways['the note stays if an ordinary reason follows it'] = [
  [text('It ends in the mid', 'length'), stop, done],
  { text: 'It ends in the mid', reason_code: 'cut' },
]
ways['the note goes if text follows it'] = [
  [text('All ', 'length'), text('of it.', 'stop'), done],
  { text: 'All of it.' },
]
ways['text without an end'] = [
  [text('Half', 'stop'), text(' of it')],
  { text: 'Half of it', reason_code: 'closed_early', status: 'failed' },
]

test.each(Object.entries(ways))('%s', async (_name, [steps, expected]) => {
  expect(await replyOf(scripted(steps))).toEqual({
    status: 'complete',
    thinking: undefined,
    reason_code: undefined,
    asked: 1,
    ...expected,
  })
})

describe('a closing tag is a word like others', () => {
  test.each([
    'The tag `</think>` ends it.',
    'Write </think> here.',
    'So:\n```html\n</think>\n```\nThat is all.',
    'So:\n\n    </think>\n\nThat is all.',
    'So:\n<think>\nhm\n</think>\nThat is all.',
    'So:\n~~~~\n```\n</think>\n~~~\n</think>\n~~~~\nThat is all.',
  ])('%j', async (content) => {
    const steps = [...content].map((character) => text(character))
    const reply = await replyOf(scripted([...steps, stop]))
    expect(reply).toMatchObject({ text: content, thinking: undefined })
  })
})

/** How an answer may be written down, with its text and thinking. */
const words: fc.Arbitrary<string[]> = fc.array(
  fc.constantFrom(
    'Oaks ',
    'need',
    ' light',
    '.\n',
    '\n\n',
    '🌳',
    ' <b>',
    '`x`',
    ' é',
    '<',
    ' </thin',
  ),
  { minLength: 1, maxLength: 12 },
)
const thinkingShapes: Record<string, (thinking: string) => object> = {
  reasoning_content: (thinking) => ({ reasoning_content: thinking }),
  'an empty field and a filled one': (thinking) => ({ reasoning_content: '', reasoning: thinking }),
  'two fields': (thinking) => ({ reasoning: thinking, reasoning_text: thinking }),
  details: (thinking) => ({ content: '', reasoning_details: [{ text: thinking, index: 0 }] }),
  part: (thinking) => ({
    content: [{ type: 'thinking', thinking: [{ type: 'text', text: thinking }] }],
  }),
}
const textShapes: Record<string, (text: string) => object> = {
  string: (content) => ({ delta: { content } }),
  part: (content) => ({ delta: { content: [{ type: 'text', text: content }] } }),
  parts: (content) => ({
    delta: {
      content: [{ type: 'reference' }, ...content].map((part) =>
        typeof part === 'string' ? { type: 'text', text: part } : part,
      ),
    },
  }),
}
const finishes = fc.constantFrom(null, 'stop', 'STOP', 'null', '', undefined)

test('however an answer is written down and cut, its text and thinking arrive', async () => {
  const answers = fc.record({
    thinking: fc.option(words, { nil: [] as string[] }),
    text: words,
    tag: fc.constantFrom('', '<think>', '</think>'),
    thinkingShape: fc.constantFrom(...Object.keys(thinkingShapes)),
    textShape: fc.constantFrom(...Object.keys(textShapes)),
    finishes: fc.array(finishes, { minLength: 30, maxLength: 30 }),
    hasDone: fc.boolean(),
    lineEnd: fc.constantFrom('\n', '\r\n', '\r'),
    cuts: fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 20 }),
  })
  await fc.assert(
    fc.asyncProperty(answers, async (answer) => {
      const thinkingText = answer.thinking.join('')
      const { tag } = answer
      const tagged =
        tag === ''
          ? []
          : [...(tag === '<think>' ? [tag] : []), ...answer.thinking, '\n</think>\n\n']
      const choices = [
        ...(tag === ''
          ? answer.thinking.map((piece) => ({
              delta: thinkingShapes[answer.thinkingShape]!(piece),
            }))
          : []),
        ...[...tagged, ...answer.text].map((piece) => textShapes[answer.textShape]!(piece)),
      ].map((choice, index) => ({ ...choice, finish_reason: answer.finishes[index] }))
      const events = [...choices, { delta: {}, finish_reason: 'stop' }].map((choice) =>
        JSON.stringify({ choices: [choice] }),
      )
      if (answer.hasDone) events.push('[DONE]')
      const bytes = new TextEncoder().encode(
        events.map((data) => `data: ${data}${answer.lineEnd.repeat(2)}`).join(''),
      )
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          for (let at = 0, n = 0; at < bytes.length; n++) {
            const length = answer.cuts[n % answer.cuts.length]!
            controller.enqueue(bytes.slice(at, at + length))
            at += length
          }
          controller.close()
        },
      })
      const provider = createOpenAiProvider(
        { baseUrl: 'http://assistant.test/v1' },
        { fetch: () => Promise.resolve(new Response(body)) },
      )
      const { sink, done } = produce((signal) => provider.stream({ ...request, signal }))
      await done
      const text = answer.text.join('')
      expect(sink.text).toBe(tag === '' ? text : text.trimStart())
      expect(sink.ending!.metadata.thinking ?? '').toBe(thinkingText.trim())
    }),
    { numRuns: 150 },
  )
})
