// What clients don't read, and what they don't finish sending, must not fill the memory of a node.
// The node is a process of its own, and its database is another one.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { toRelease } from '../../realtime/concurrency/memory-budget.ts'
import { KeyedSlots } from '../../realtime/concurrency/keyed-slots.ts'
import type { TestDatabase } from '../harness/database.ts'
import { eventually } from '../harness/eventually.ts'
import { spawnNode, type NodeProcess } from '../harness/node.ts'
import { ownDatabase } from '../harness/own-database.ts'
import { signUp } from '../harness/person.ts'
import { RawSocket } from '../harness/raw-socket.ts'

const MAX_RSS_MB = 1_024
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

/** The most memory that the node has ever had. */
function peakMb(): number {
  const status = readFileSync(`/proc/${node.process.pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)![1]) / 1_024
}

async function open(): Promise<Socket> {
  const { port } = new URL(node.url)
  const socket = connect({ port: Number(port), host: '127.0.0.1' })
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

const served = async () => {
  const person = await signUp(node)
  expect((await person.ask('getMe')).user.id).toBe(person.user.id)
}

test('250 answers of 4 MB that nobody reads take their turns, end, and leave the node below 1 GiB', async () => {
  const eve = await signUp(node, 'eve')
  const content = 'x'.repeat(255 * 1024)
  const { id } = await eve.ask('createConversation', { body: {} })
  for (let n = 0; n < 16; n += 4)
    await eve.ask('putConversation', {
      params: { id },
      body: { messages: Array.from({ length: 4 }, () => ({ role: 'user' as const, content })) },
    })
  const ask = `GET /conversations/${id}?limit=500 HTTP/1.1\r\nHost: x\r\nCookie: ${eve.cookie}\r\n\r\n`
  const sockets: Socket[] = []
  for (let n = 0; n < 250; n++) {
    const socket = await open()
    socket.pause()
    // the kernel takes whole answers, so some connections ask for more than it takes
    socket.write(ask.repeat(n % 50 ? 1 : 12))
    sockets.push(socket)
  }
  await served()
  await eventually(async () => Number(await metric('lockstep_answers_ended_total')) > 0, {
    within: 40_000,
  })
  await served()
  for (const socket of sockets) socket.destroy()
  expect(peakMb()).toBeLessThan(MAX_RSS_MB)
}, 120_000)

/** The sum of a metric over its labels. */
async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${node.url}/metrics`)).text()
  const values = text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))
  return [...values].reduce((sum, [, value]) => sum + Number(value), 0)
}

test('attachments that are announced and never complete are not kept, with a cookie or without', async () => {
  const attachment = new Uint8Array(1_900_000)
  const announce = '459-/conversations,1["create",{"_placeholder":true,"num":0}]'
  for (let n = 0; n < 40; n++) {
    using socket =
      n % 2
        ? await RawSocket.open(node.url, {})
        : await RawSocket.join(node.url, (await signUp(node)).cookie, 'conversations')
    socket.send(announce)
    for (let m = 0; m < 8; m++) socket.send(attachment)
    if (n % 2) await socket.closed
    else await socket.inbox.until<string>('frame', (frame) => frame.includes('"code":"invalid"'))
  }
  await served()
  expect(peakMb()).toBeLessThan(MAX_RSS_MB)
}, 120_000)

test('frames that are never finished end their connections before they fill the memory', async () => {
  const trudy = await signUp(node, 'trudy')
  const size = 1_900_000
  const begin = async () => {
    const socket = await open()
    socket.write(
      `GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nCookie: ${trudy.cookie}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    )
    let received = ''
    socket.on('data', (data) => (received += String(data)))
    await eventually(() => received.includes('"sid"'))
    const text = '40/conversations,{"protocol":1}'
    const head = Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0])
    socket.write(Buffer.concat([head, Buffer.from(text)]))
    await eventually(() => received.includes('40/conversations'))
    const header = Buffer.alloc(14)
    header[0] = 0x81
    header[1] = 0x80 | 127
    header.writeBigUInt64BE(BigInt(size + 10), 2)
    socket.write(header)
    socket.write(Buffer.alloc(size, 'x'))
    return socket
  }
  const sockets: Socket[] = []
  for (let n = 0; n < 12; n++) sockets.push(await begin())
  await eventually(() => sockets.some(({ closed }) => closed), { within: 20_000 })
  await served()
  for (const socket of sockets) socket.destroy()
  expect(peakMb()).toBeLessThan(MAX_RSS_MB)
}, 120_000)

test('whoever holds the most memory loses it first, the largest first', () => {
  const held = (owner: string, ...sizes: number[]) => sizes.map((bytes) => ({ owner, bytes }))
  const all = [...held('a', 5, 1, 3), ...held('b', 4), ...held('c', 2, 2)]
  const sizesOf = (perOwner: number, inAll: number) =>
    toRelease([...all], { perOwner, inAll }).map(({ owner, bytes }) => `${owner}${bytes}`)
  expect(sizesOf(9, 17)).toEqual([])
  expect(sizesOf(4, 17)).toEqual(['a5'])
  expect(sizesOf(9, 8)).toEqual(['a5', 'a3', 'b4'])
  expect(toRelease([], { perOwner: 0, inAll: 0 })).toEqual([])
})

test('slots are given in order to each key, and places in the queue that are left go to nobody', async () => {
  const slots = new KeyedSlots(1, 2)
  const [first, second, third] = [slots.enter('a')!, slots.enter('a')!, slots.enter('a')!]
  expect(slots.enter('a')).toBeUndefined()
  const other = slots.enter('b')!
  await Promise.all([first.ready, other.ready])
  let proceeded = ''
  void second.ready.then(() => (proceeded += '2'))
  void third.ready.then(() => (proceeded += '3'))
  second.leave()
  await Promise.resolve()
  expect(proceeded).toBe('2') // it has left, and doesn't count
  first.leave()
  first.leave()
  await third.ready
  expect(slots.enter('a')).toBeDefined()
})
