// Replies of a configured assistant: what the assistant reads, what becomes of its answers, and
// what never leaves the server.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Message } from '@lockstep/protocol/message'
import { freshDatabase, type TestDatabase } from '../harness/database.ts'
import type { Device } from '../harness/device.ts'
import { atBest } from '../harness/eventually.ts'
import { startNode, type TestNode } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'
import { OpenAiServer, says, type Script } from './openai-server.ts'

let server: OpenAiServer
let database: TestDatabase
let node: TestNode

beforeAll(async () => {
  server = await OpenAiServer.start()
  database = freshDatabase()
  node = await startNode(database, {
    assistant: { baseUrl: server.url, apiKey: 'sk-secret', model: 'tiny', sendsIds: true },
    options: { agents: { timings: { firstEventMs: 2_500, idleMs: 2_500, durableMs: 100 } } },
  })
})
afterAll(async () => {
  await node?.stop()
  await server?.[Symbol.asyncDispose]()
  await database?.[Symbol.asyncDispose]()
})

async function open(...said: string[]) {
  const person = await signUp(node)
  const messages = said.map((content) => ({ role: 'user' as const, content }))
  const { id } = await person.ask('createConversation', { body: { messages } })
  return { person, id, device: await person.device('conversations') }
}
const read = async (person: Person, id: string) =>
  (await person.ask('getConversation', { params: { id } })).messages

/**
 * Asks for a reply, which the server answers by `scripts`, and returns the reply when it has ended.
 */
async function reply(
  { person, id, device }: { person: Person; id: string; device: Device },
  command: object,
  ...scripts: Script[]
) {
  server.answerWith(...scripts)
  server.questions.length = 0
  const { seq } = await device.done('reply', { conversation_id: id, ...command })
  await device.until('change', (change) => change.op === 'finished' && change.seq > seq)
  return (await read(person, id)).at(-1) as Message
}
const asked = () => server.questions.at(-1)!.body.messages.map(({ content }) => content)

test('the reply has the text, the thinking, the duration and the token counts', async () => {
  const conversation = await open('Why?')
  const message = await reply(conversation, {}, (answer) => {
    answer.thinking('They ask why.')
    says('Because.', {
      prompt_tokens: 2,
      completion_tokens: 9,
      completion_tokens_details: { reasoning_tokens: 7 },
    })(answer)
  })
  expect(message).toMatchObject({
    content: 'Because.',
    status: 'complete',
    metadata: {
      agent: 'assistant',
      model: 'tiny',
      thinking: 'They ask why.',
      thinking_ms: expect.any(Number),
      usage: { prompt_tokens: 2, completion_tokens: 9, reasoning_tokens: 7 },
    },
  })
  expect(asked()).toEqual(['Why?'])
})

test('with ASSISTANT_SENDS_IDS a request has the ids of user, conversation, message and run as headers', async () => {
  const conversation = await open('Who asks?')
  const { person, id } = conversation
  const message = await reply(conversation, {}, says('You do.'))
  expect(server.questions[0]!.headers).toMatchObject({
    'lockstep-user': person.user.id,
    'lockstep-conversation': id,
    'lockstep-message': message.id,
    'lockstep-run': message.metadata.run_id,
  })
  server.answerWith(says('Alone.'))
  server.questions.length = 0
  await using agents = await person.device('agents')
  const { data } = await agents.done('run', { agent: 'assistant', input: 'And now?' })
  await agents.until('change', ({ op }) => op === 'finished')
  const { headers } = server.questions[0]!
  expect(headers).toMatchObject({ 'lockstep-run': data.id, 'lockstep-user': person.user.id })
  expect(Object.keys(headers)).not.toContain('lockstep-conversation')
})

test('thinking that only its end shows is taken back from the message, on all devices', async () => {
  const conversation = await open('Why?')
  const message = await reply(conversation, {}, async (answer) => {
    answer.text('Two and two ')
    await conversation.device.until(
      'change',
      ({ op, data }) => op === 'extended' && data?.text !== '',
    )
    for (const text of ['make ', 'four.', '\n</think>\n\n', 'The sum ', 'is 4.']) answer.text(text)
    answer.finish()
  })
  expect(message).toMatchObject({
    content: 'The sum is 4.',
    status: 'complete',
    metadata: { thinking: 'Two and two make four.', thinking_ms: expect.any(Number) },
  })
  const pieces = conversation.device.changes.flatMap(({ op, data }) => {
    const { text, messages } = (data ?? {}) as { text?: string; messages?: Message[] }
    if (op === 'extended') return [text]
    return messages?.some(({ id, version }) => id === message.id && version > 1) ? ['⌫'] : []
  })
  expect(pieces.join('')).toMatch(/^Two and two .*⌫The sum is 4\.$/)
})

test('after a failed reply the next one is asked for with alternating roles', async () => {
  const conversation = await open('One')
  const failed = await reply(conversation, {}, (answer) => answer.refuse(401))
  expect(failed).toMatchObject({ status: 'failed', content: '' })
  const { device, id } = conversation
  await device.done('append', { conversation_id: id, message: { role: 'user', content: 'Two' } })
  await reply(conversation, {}, says('Three'))
  expect(asked()).toEqual(['One\n\nTwo'])
})

test('a regenerated reply reads the thread before the first version, and earlier versions stay', async () => {
  const conversation = await open('One')
  const first = await reply(conversation, {}, says('A'))
  const { person, id, device } = conversation
  await device.done('append', { conversation_id: id, message: { role: 'user', content: 'Two' } })
  await reply(conversation, {}, says('B'))
  expect(asked()).toEqual(['One', 'A', 'Two'])
  const again = await reply(conversation, { replaces: first.id }, says('A2'))
  expect(asked()).toEqual(['One'])
  expect(again).toMatchObject({ content: 'A2', replaces: first.id })
  await reply(conversation, { replaces: again.id }, says('A3'))
  expect(asked()).toEqual(['One'])
  expect((await read(person, id)).map(({ content }) => content)).toEqual([
    'One',
    'A',
    'Two',
    'B',
    'A2',
    'A3',
  ])
  await device.done('append', { conversation_id: id, message: { role: 'user', content: 'Three' } })
  await reply(conversation, {}, says('C'))
  expect(asked()).toEqual(['One', 'A3', 'Three'])
})

test('an edited question begins a new thread', async () => {
  const conversation = await open('One')
  await reply(conversation, {}, says('A'))
  const { person, id, device } = conversation
  const [question] = await read(person, id)
  const message = { role: 'user', content: 'One, please', replaces: question!.id }
  await device.done('append', { conversation_id: id, message })
  await reply(conversation, {}, says('B'))
  expect(asked()).toEqual(['One, please'])
})

test('a user’s own agent answers with its settings, whichever agent is the default', async () => {
  const conversation = await open('Hi')
  const poet = { name: 'Poet', instructions: 'Rhyme.', model: 'big', temperature: 1.2 }
  await conversation.person.ask('putPreferences', {
    body: { agent_settings: { poet }, default_agent: 'poet' },
  })
  const message = await reply(conversation, {}, says('Fly'))
  expect(message.metadata).toMatchObject({ agent: 'poet', model: 'big' })
  expect(server.questions[0]!.body).toMatchObject({
    model: 'big',
    temperature: 1.2,
    messages: [{ role: 'system', content: 'Rhyme.' }, {}],
  })
  const { items } = await conversation.person.ask('listAgents')
  expect(items.map(({ id, name }) => [id, name])).toEqual([
    ['assistant', 'Assistant'],
    ['demo', 'Demo'],
    ['poet', 'Poet'],
  ])
})

test.each<[string, string, Script]>([
  ['refuses the key', 'unauthorized', (answer) => answer.refuse(401)],
  ['hangs before the first token', 'no_answer', () => undefined],
  ['falls silent', 'stalled', (answer) => answer.text('Half')],
  [
    'drops the line',
    'closed_early',
    (answer) => (answer.text('Half'), setImmediate(() => answer.drop())),
  ],
])('an assistant that %s: failed, %s', async (_name, reason_code, script) => {
  const conversation = await open('Hi')
  const message = await reply(conversation, {}, script as Script)
  expect(message).toMatchObject({
    status: 'failed',
    metadata: { reason_code, reason: expect.any(String) },
  })
  expect(message.content).toBe(
    reason_code === 'stalled' || reason_code === 'closed_early' ? 'Half' : '',
  )
  const everything = JSON.stringify([
    await read(conversation.person, conversation.id),
    conversation.device.packets,
  ])
  for (const secret of ['sk-secret', '10.0.0.7', 'inner workings', server.url])
    expect(everything).not.toContain(secret)
})

test('a stop closes the connection to the assistant at once', async () => {
  const took = await atBest(500, async () => {
    const { person, id, device } = await open('Hi')
    const hungUp = Promise.withResolvers<number>()
    server.answerWith(async (answer) => {
      answer.text('Half')
      await answer.closed
      hungUp.resolve(performance.now())
    })
    await device.done('reply', { conversation_id: id })
    await device.until('delta', () => true)
    const { id: message_id } = (await read(person, id)).at(-1)!
    const began = performance.now()
    await device.done('stop', { conversation_id: id, message_id })
    const closed = await hungUp.promise
    expect((await read(person, id)).at(-1)).toMatchObject({ content: 'Half', status: 'stopped' })
    return closed - began
  })
  expect(took).toBeLessThan(500)
})
