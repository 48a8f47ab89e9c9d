// The demo agent does what "/demo help" says.
import { expect, test } from 'vitest'
import { createDemoProvider } from '../../realtime/agents/demo.ts'
import type { ProviderEvent } from '../../realtime/agents/provider.ts'
import { limits } from '@lockstep/protocol/limits'

const provider = createDemoProvider({ tokensPerSecond: 5_000 })

async function ask(...said: string[]) {
  const messages = said.map((content) => ({ role: 'user' as const, content }))
  const pieces: ProviderEvent[] = []
  const abort = new AbortController()
  const request = { instructions: '', messages, model: 'demo', signal: abort.signal }
  let failure: unknown
  try {
    for await (const piece of provider.stream(request)) {
      pieces.push(piece)
      if (pieces.length > 40 && said.at(-1)!.includes('hang')) setTimeout(() => abort.abort(), 30)
    }
  } catch (error) {
    failure = error
  }
  const of = (kind: 'text' | 'thinking') =>
    pieces.map((piece) => (piece.kind === kind ? piece.text : '')).join('')
  return { text: of('text'), thinking: of('thinking'), pieces, failure }
}

test('thinks, then answers the message with markdown, a table, code and token counts', async () => {
  const { text, thinking, pieces } = await ask('What is lockstep?\nTell me.')
  expect(text).toContain('> What is lockstep?\n> Tell me.')
  expect(text).toContain('| device |')
  expect(text).toContain('```ts')
  expect(thinking).not.toBe('')
  expect(pieces.at(-1)).toMatchObject({
    kind: 'usage',
    usage: { completion_tokens: expect.any(Number) },
  })
  expect((await ask('One', 'Two')).text).toContain('message 2')
})

test('shows only the content that it is asked for', async () => {
  const { text, thinking } = await ask('/demo table silent')
  expect(text).toMatch(/^\| device/)
  expect(text).not.toContain('```')
  expect(thinking).toBe('')
  expect((await ask('/demo')).text).toContain('ASSISTANT_BASE_URL')
})

test('breaks no line within a paragraph, because the page shows line breaks', async () => {
  for (const said of ['Hello', '/demo help', '/demo think 1']) {
    const { text, thinking } = await ask(said)
    const prose = `${thinking}\n\n${text}`.replace(/```[^]*?```/g, '')
    // quotes, lists and tables have lines of their own
    expect(prose, said).not.toMatch(/^(?![>|\s]|- |\d+\. ).+\n(?![>|\s]|- |\d+\. ).+$/m)
  }
})

test('writes as much as it is asked for', async () => {
  expect((await ask('/demo long silent rate 100000')).text.length).toBeGreaterThan(30_000)
  expect(limits.messageBytes).toBeLessThan((await ask('/demo huge silent rate 100000')).text.length)
})

test('fails when it is asked to, at once or halfway', async () => {
  const halfway = await ask('/demo fail silent')
  expect(halfway.failure).toMatchObject({ code: 'demo' })
  expect(halfway.text).not.toBe('')
  expect(await ask('/demo fail now')).toMatchObject({ pieces: [], failure: { code: 'demo' } })
})

test('falls silent when it is asked to, until the request is aborted', async () => {
  const { failure, text } = await ask('/demo hang silent')
  expect(failure).toMatchObject({ name: 'AbortError' })
  expect(text).not.toBe('')
})

test('keeps to its rate', async () => {
  const began = performance.now()
  const { pieces } = await ask('/demo code silent rate 200')
  const seconds = (performance.now() - began) / 1000
  expect(pieces.length / seconds).toBeLessThan(215)
  expect(pieces.length / seconds).toBeGreaterThan(50) // a busy machine is late
})
