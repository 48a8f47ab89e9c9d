// Replies that a program writes with the client package, over a line that a test cuts, and what a
// person sees of them meanwhile.
import { describe, expect, test } from 'vitest'
import { createEngine } from '@lockstep/client'
import { createProducer } from '@lockstep/client/produce'
import { newId } from '@lockstep/protocol/ids'
import type { Message } from '@lockstep/protocol/message'
import type { ProducedPiece } from '@lockstep/protocol/produce'
import { eventually } from '../harness/eventually.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { Wire } from '../harness/wire.ts'

const shared = sharedNodes(1, {
  options: { agents: { timings: { durableMs: 50 } } },
})

/** A person with a conversation, and a token for a program. */
async function asking() {
  const person = await signUp(shared.node)
  const { id } = await person.ask('createConversation', {
    body: { messages: [{ role: 'user', content: 'Question' }] },
  })
  const { token } = await person.ask('createToken', { body: { name: 'Agent' } })
  return { person, id, token }
}
const reply = async (person: Person, id: string): Promise<Message | undefined> =>
  (await person.ask('getConversation', { params: { id } })).messages.find(
    ({ role }) => role === 'assistant',
  )

/** The text of the reply as a device shows it, at each change. It must only grow, along `whole`. */
async function watcher(origin: string, person: Person, id: string, whole: () => string) {
  const { token } = await person.ask('createToken', { body: { name: 'Watcher' } })
  const engine = createEngine({ origin, token: () => token, random: () => 0 })
  const faults: string[] = []
  let shown = ''
  engine.conversations.subscribe(() => {
    const message = engine.conversations.get(id)?.messages.find(({ role }) => role === 'assistant')
    if (!message) return
    const { content } = message
    if (!whole().startsWith(content)) faults.push(`not the text: ${content}`)
    if (content.length < shown.length) faults.push(`${shown} became ${content}`)
    shown = content
  })
  await engine.start()
  await engine.conversations.open(id)
  return { faults, shown: () => shown, [Symbol.asyncDispose]: () => engine.stop() }
}

/** Pieces that come when the test says so. */
function handed() {
  const ready: ProducedPiece[] = []
  let wake = () => {}
  const state = { returned: false }
  async function* pieces(): AsyncGenerator<ProducedPiece> {
    try {
      for (;;) {
        const piece = ready.shift()
        if (piece) yield piece
        else await new Promise<void>((resolve) => (wake = resolve))
        if (piece && 'done' in piece) return
      }
    } finally {
      state.returned = true
    }
  }
  const hand = (...more: ProducedPiece[]) => {
    ready.push(...more)
    wake()
  }
  return { pieces: pieces(), hand, state }
}

describe.concurrent.each([
  ['as one stream', true],
  ['in batches, as in a browser', false],
])('a reply that a program sends %s', (_how, streams) => {
  test('has all its pieces, and its end completes it', async () => {
    const { person, id, token } = await asking()
    const produce = createProducer({ origin: shared.node.url, token: () => token, streams })
    const call = { id: 'c', type: 'tool', name: 'search', call_id: '1', arguments: {} } as const
    async function* agent(): AsyncGenerator<ProducedPiece> {
      yield { thinking: 'Let me see' }
      yield { part: { ...call, state: 'calling' } }
      yield { part: { ...call, state: 'done', result: 1 } }
      yield { text: 'Hello, ' }
      await Promise.resolve()
      yield { text: 'wörld 🎈' }
      yield { metadata: { cost: 2 } }
    }
    const message_id = newId()
    const options = { message_id, agent: 'mine', model: 'm-1' }
    const produced = await produce(id, agent(), options)
    const ended = { message_id, run_id: expect.any(String), status: 'complete', length: 15 }
    expect(produced).toEqual(ended)
    const message = await reply(person, id)
    expect(message).toMatchObject({
      ...{ id: message_id, content: 'Hello, wörld 🎈', status: 'complete' },
      metadata: { agent: 'mine', model: 'm-1', cost: 2, thinking: 'Let me see' },
    })
    expect(message!.parts!.map(({ type }) => type)).toEqual(['reasoning', 'tool', 'text'])
    // the same reply again: its first outcome
    expect(await produce(id, [{ text: 'x' }], options)).toEqual(produced)
  })

  test('is shown letter by letter, once and in order, although both lines are cut', async () => {
    const { person, id, token } = await asking()
    const port = Number(new URL(shared.node.url).port)
    await using programLine = await Wire.to({ port })
    await using deviceLine = await Wire.to({ port })
    const words = Array.from({ length: 60 }, (_, n) => `word${n} 🎈 `)
    const whole = words.join('')
    await using near = await watcher(shared.node.url, person, id, () => whole)
    await using far = await watcher(`http://${deviceLine.address}`, person, id, () => whole)
    const produce = createProducer({
      origin: `http://${programLine.address}`,
      token: () => token,
      streams,
    })
    const { pieces, hand } = handed()
    const producing = produce(id, pieces)
    const until = (n: number) =>
      eventually(() => near.shown().length >= words.slice(0, n).join('').length)
    hand({ thinking: 'One thought' })
    for (let n = 0; n < words.length; n += 10) {
      for (const text of words.slice(n, n + 5)) hand({ text })
      if (n % 20 === 0) programLine.drop()
      for (const text of words.slice(n + 5, n + 10)) hand({ text })
      if (n % 20 === 10) programLine.cut()
      if (n % 30 === 0) deviceLine.drop()
      programLine.restore()
      await until(n + 10)
    }
    hand({ done: true })
    expect(await producing).toMatchObject({ status: 'complete', length: whole.length })
    await eventually(() => near.shown() === whole && far.shown() === whole)
    expect([...near.faults, ...far.faults]).toEqual([])
    const message = await reply(person, id)
    expect(message).toMatchObject({ content: whole, metadata: { thinking: 'One thought' } })
  })

  test('says who has stopped it, and asks its program for no more', async () => {
    const { person, id, token } = await asking()
    const produce = createProducer({ origin: shared.node.url, token: () => token, streams })
    const { pieces, hand, state } = handed()
    const message_id = newId()
    const producing = produce(id, pieces, { message_id })
    hand({ text: 'Word' })
    await eventually(async () => (await reply(person, id))?.content === 'Word')
    await person.ask('stopReply', { params: { id }, body: { message_id } })
    const { session_id, device } = { session_id: person.session.id, device: person.session.device }
    const stopped = { status: 'stopped', length: 4, stopped_by: { session_id, device } }
    expect(await producing).toMatchObject(stopped)
    hand({ text: 'more' })
    await eventually(() => state.returned)
  })

  test('fails if its program throws, is refused for good, or is given up', async () => {
    const { person, id, token } = await asking()
    const produce = createProducer({ origin: shared.node.url, token: () => token, streams })
    async function* broken(): AsyncGenerator<ProducedPiece> {
      yield { text: 'Kept' }
      await Promise.reject(new Error('the key is 1234'))
    }
    await expect(produce(id, broken())).rejects.toThrow('the key is 1234')
    const message = await reply(person, id)
    expect(message).toMatchObject({ status: 'failed', content: 'Kept' })
    expect(JSON.stringify(message)).not.toContain('1234')
    const refused = produce(newId(), [{ text: 'x' }])
    await expect(refused).rejects.toMatchObject({ code: 'not_found' })
    const { pieces } = handed()
    const gone = new AbortController()
    const abandoned = produce(id, pieces, { signal: gone.signal })
    gone.abort(new Error('enough'))
    await expect(abandoned).rejects.toThrow('enough')
  })
})
