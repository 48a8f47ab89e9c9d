// One account that sends as much as a node takes, without a pause and without regard for refusals,
// and connects anew whenever it is cut off. The node is a process of its own: what counts is its
// main thread's processor time.
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import type { TestDatabase } from '../harness/database.ts'
import { atBest } from '../harness/eventually.ts'
import { inForm, isLongForm } from '../harness/long-form.ts'
import { spawnNode, type NodeProcess } from '../harness/node.ts'
import { ownDatabase } from '../harness/own-database.ts'
import { signUp, type Person } from '../harness/person.ts'
import { written } from './expensive-json.ts'
import { slowdown } from './turn-meter.ts'

/**
 * What one account may take of the main thread in the long run. Neighbours that share caches and
 * memory make all work take more processor time, up to twice as much: a larger share is put in
 * relation to known work.
 */
const MAX_SHARE = 0.25
/** Longer than it takes to pay a debt and make it again (ms). */
const MEASURED_MS = inForm(6_000, 20_000)
const CONNECTIONS = 10
/** Between two attempts of one of them (ms). */
const PAUSE_MS = 100

let database: TestDatabase
let node: NodeProcess
beforeAll(async () => {
  database = await ownDatabase()
  node = await spawnNode(database)
})
afterAll(async () => {
  await node?.[Symbol.asyncDispose]()
  await database?.[Symbol.asyncDispose]()
})

/** A text frame of a client, masked as a browser's frames are. */
function maskedFrame(text: string): Buffer {
  const payload = Buffer.from(text)
  const mask = [0x12, 0x34, 0x56, 0x78]
  const head = Buffer.alloc(payload.length < 126 ? 6 : 14)
  head[0] = 0x81
  head[1] = 0x80 | (payload.length < 126 ? payload.length : 127)
  if (payload.length >= 126) head.writeBigUInt64BE(BigInt(payload.length), 2)
  head.set(mask, head.length - 4)
  for (let at = 0; at < payload.length; at++) payload[at]! ^= mask[at % 4]!
  return Buffer.concat([head, payload])
}
const joinFrame = maskedFrame('40/conversations,{"protocol":1}')

/** Unlike `once`, it doesn't reject when the connection breaks. */
const eventOf = (socket: Socket, name: string) =>
  new Promise<void>((resolve) => void socket.once(name, () => resolve()))

/** What came until it matched, or until the connection ended. */
async function until(socket: Socket, pattern: RegExp): Promise<string> {
  let came = ''
  const take = (chunk: Buffer) => (came += chunk.toString('latin1'))
  socket.on('data', take)
  while (!pattern.test(came) && !socket.destroyed)
    await Promise.race([eventOf(socket, 'data'), eventOf(socket, 'close')])
  socket.off('data', take)
  return came
}

/** Joins and sends until the node ends the connection; then again from the beginning. */
async function attack(
  { cookie }: Person,
  bytes: Buffer,
  signal: AbortSignal,
  onTurnedAway: () => void,
): Promise<void> {
  const upgrade =
    `GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nCookie: ${cookie}\r\n` +
    'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
  while (!signal.aborted) {
    const socket = connect(Number(new URL(node.url).port), '127.0.0.1')
    socket.on('error', () => undefined)
    const closed = eventOf(socket, 'close')
    const drop = () => socket.destroy()
    signal.addEventListener('abort', drop)
    socket.write(upgrade)
    const isOpen = /"sid"/.test(await until(socket, /"sid"|403/))
    if (!isOpen) onTurnedAway()
    if (isOpen) socket.write(joinFrame)
    if (isOpen && /40\//.test(await until(socket, /4[04]\/conversations,/))) {
      socket.resume()
      while (!socket.destroyed)
        if (!socket.write(bytes)) await Promise.race([eventOf(socket, 'drain'), closed])
    } else socket.destroy()
    await closed
    signal.removeEventListener('abort', drop)
    await sleep(PAUSE_MS)
  }
}

/** What the node's main thread has taken of the processor, and how long it waited for it (ms). */
function mainThread(): { ran: number; waited: number } {
  const { pid } = node.process
  const stat = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8')
  const [ran = 0, waited = 0] = stat.split(' ').map((ns) => Number(ns) / 1e6)
  return { ran, waited }
}

/** The share of the available time in which the node's main thread works. */
async function shareOfMainThread(): Promise<number> {
  const [began, before] = [performance.now(), mainThread()]
  await sleep(MEASURED_MS)
  const { ran, waited } = mainThread()
  // other programs of the machine take time that the thread could have taken
  const had = performance.now() - began - (waited - before.waited)
  return (ran - before.ran) / had
}

const event = (payload: string) => `42/conversations,1["create",${payload}]`
const bytes = 1_900_000
const all: [string, string][] = [
  ['small events', event('{}')],
  ['many keys', event(written({ field: 'metadata', form: 'keys', key: 100, bytes }))],
  ['a long text', event(written({ field: 'title', form: 'text', key: 1, bytes }))],
  ['escapes', event(written({ field: 'title', form: 'escapes', key: 1, bytes }))],
  ['heartbeats', '3'],
  ['long heartbeats', `3${'x'.repeat(bytes)}`],
  ['acks', '43/conversations,1[]'],
  ['joins of what does not exist', '40/x,'],
]

test.each(isLongForm ? all : all.slice(0, 2))(
  'whoever sends %s without end takes a bounded share of the main thread',
  { timeout: 120_000 },
  async (_what, text) => {
    const person = await signUp(node)
    const frame = maskedFrame(text)
    const copies = Math.ceil(20_000 / frame.length)
    const bytes = Buffer.concat(Array<Buffer>(copies).fill(frame))
    const end = new AbortController()
    // the first moments show what the account and its address had not used before
    const used = Promise.withResolvers<void>()
    const attacks = Array.from({ length: CONNECTIONS }, () =>
      attack(person, bytes, end.signal, used.resolve),
    )
    await used.promise
    const share = await atBest(MAX_SHARE, shareOfMainThread)
    end.abort()
    await Promise.all(attacks)
    expect(share < MAX_SHARE ? share : share / slowdown()).toBeLessThan(MAX_SHARE)
  },
)

test('whoever pastes megabytes, comes back with a hundred commands and imports is never told to wait', async () => {
  const alice = await signUp(node, 'alice')
  const { id, epoch, seq } = await alice.ask('createConversation', { body: {} })
  const content = 'x'.repeat(250 * 1024)
  const messages = Array.from({ length: 4 }, () => ({ role: 'user', content }))
  await using device = await alice.device('conversations')
  for (let n = 0; n < 5; n++) await device.done('update', { conversation_id: id, messages })
  await using back = await alice.device('conversations', { since: { epoch, seq } })
  await back.until('sync', ({ more }) => !more)
  expect(back.changes).toHaveLength(5)
  const late = Array.from({ length: 100 }, (_, n) => ({ title: `Written offline ${n}` }))
  await Promise.all(late.map((payload) => back.done('create', payload)))
  const conversation = {
    ...{ id: newId(), title: 'Elsewhere' },
    messages: messages.map((message) => ({ id: newId(), ...message })),
  }
  const { created } = await alice.ask('importMe', {
    body: { source: 'lockstep', data: { conversations: [conversation] } },
  })
  expect(created).toBe(1)
  await using again = await alice.device('account')
  expect(again.connected).toBe(true)
})
