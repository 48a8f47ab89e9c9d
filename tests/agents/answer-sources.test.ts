// The web pages that a server names as the sources of its answer.
import { expect, test } from 'vitest'
import { createOpenAiProvider } from '../../realtime/agents/openai.ts'
import { OpenAiServer } from './openai-server.ts'
import { produce } from './recording-sink.ts'
import { scripted, type Step } from './scripted-steps.ts'

const url = 'https://example.com/oaks'
const choice = (fields: object): Step => ({ data: { choices: [{ index: 0, ...fields }] } })
const text = (content: string): Step => choice({ delta: { content } })
const delta = (fields: object): Step => choice({ delta: fields })
const stop = choice({ delta: {}, finish_reason: 'stop' })
const messages = [{ role: 'user' as const, content: 'Hi' }]
const request = { instructions: '', messages, model: 'm' }

test.each<[string, Step[]]>([
  [
    'annotations of deltas',
    [
      text('Oaks.'),
      delta({ annotations: [{ type: 'url_citation', url_citation: { url, title: ' Oaks ' } }] }),
      delta({ annotations: [{ type: 'url_citation', url }, { url: 'javascript:alert(1)' }] }),
      stop,
    ],
  ],
  [
    'lists beside the choices',
    [
      text('Oaks.'),
      {
        data: {
          citations: [url, null, 5],
          search_results: [{ url, title: 'Oaks' }],
          choices: [{ delta: {}, finish_reason: 'stop' }],
        },
      },
    ],
  ],
  [
    'annotations of a whole answer',
    [
      {
        status: 200,
        body: {
          choices: [{ message: { content: 'Oaks.', annotations: [{ url, title: 'Oaks' }] } }],
        },
      },
    ],
  ],
])('sources become parts, each once: %s', async (_name, steps) => {
  await using server = await OpenAiServer.start(scripted(steps))
  const provider = createOpenAiProvider({ baseUrl: server.url })
  const { sink, done } = produce((signal) => provider.stream({ ...request, signal }))
  expect(await done).toBe('complete')
  expect(sink.text).toBe('Oaks.')
  expect(sink.parts).toEqual([{ id: 'source-1', type: 'source', url, title: 'Oaks' }])
})
