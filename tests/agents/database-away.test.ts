// The database becomes unavailable while replies are written: they wait for it, and no producer
// writes into a reply that another node has ended.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import type { Message } from '@lockstep/protocol/message'
import { addressOf, freshDatabase, throughAddress } from '../harness/database.ts'
import { startEmbeddedProcess, type EmbeddedProcess } from '../harness/embedded-process.ts'
import { eventually } from '../harness/eventually.ts'
import { startNode } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'
import { Wire } from '../harness/wire.ts'

// A wire needs a TCP port to connect to, and the engine that all tests share may not listen on one.
let server: string
let engine: EmbeddedProcess | undefined
let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lockstep-test-'))
  if (inject('mongodbUrl').includes('.sock'))
    engine = await startEmbeddedProcess(directory, ['--port', '0'])
  server = engine?.url ?? inject('mongodbUrl')
})
afterAll(async () => {
  await engine?.process.kill()
  await rm(directory, { recursive: true, force: true })
})

const quick = {
  timings: { durableMs: 100, leaseMs: 1_500, renewMs: 400, sweepMs: 300 },
  demo: { tokensPerSecond: 100 },
}

const reply = async (person: Person, id: string): Promise<Message> =>
  (await person.ask('getConversation', { params: { id } })).messages[1]!

async function asking(node: { url: string }, words: string) {
  const person = await signUp(node)
  const { id } = await person.ask('createConversation', {
    body: { messages: [{ role: 'user', content: words }] },
  })
  return { person, id }
}

test('a reply goes on when the database is back, without lost or repeated text', async () => {
  await using database = freshDatabase(server)
  await using wire = await Wire.to(addressOf(database.url))
  await using node = await startNode(
    { url: throughAddress(database.url, wire.address) },
    { options: { agents: quick } },
  )
  const { person, id } = await asking(node, '/demo silent')
  await using device = await person.device('conversations')
  await device.done('reply', { conversation_id: id })
  await device.until('change', ({ op }) => op === 'extended')
  wire.cut()
  const { offset } = await device.next('delta')
  await device.until('delta', (delta) => delta.offset > offset + 100)
  wire.restore()
  const message = await eventually(
    async () => {
      const found = await reply(person, id)
      return found.status !== 'streaming' && found
    },
    { within: 15_000 },
  )
  expect(message.status).toBe('complete')
  expect(message.content).toMatch(/^Hello! You wrote[^]*what else I can do\. ✨$/)
})

test('a node that is cut off for longer than its lease finds its reply ended and doesn’t change it', async () => {
  await using database = freshDatabase(server)
  await using wire = await Wire.to(addressOf(database.url))
  await using node = await startNode(
    { url: throughAddress(database.url, wire.address) },
    { options: { agents: quick } },
  )
  await using other = await startNode(database, { options: { agents: quick } })
  const { person, id } = await asking(node, '/demo long silent')
  const away = person.at(other)
  await using device = await away.device('conversations')
  await using here = await person.device('conversations')
  await here.done('reply', { conversation_id: id })
  await device.until('change', ({ op }) => op === 'extended')
  wire.cut()
  await device.until('change', ({ op }) => op === 'finished', 10_000)
  const ended = await reply(away, id)
  expect(ended).toMatchObject({ status: 'interrupted', metadata: { reason_code: 'lost' } })
  wire.restore()
  await eventually(async () => (await person.rest('GET', `/conversations/${id}`)).status === 200, {
    within: 15_000,
  })
  const said = here.inbox.received.length
  await device.done('append', {
    conversation_id: id,
    message: { role: 'user', content: 'Still there?' },
  })
  await eventually(() => JSON.stringify(here.changes).includes('Still there?'), { within: 15_000 })
  expect(
    here.inbox.received.slice(said).filter(({ event }) => event === 'delta').length,
  ).toBeLessThan(40)
  expect(await reply(person, id)).toEqual(ended)
}, 40_000)
