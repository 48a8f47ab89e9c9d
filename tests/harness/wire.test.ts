// The harness itself needs tests: with a wire that doesn't cut, every fault test would pass.
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { eventually } from './eventually.ts'
import { startProcess } from './processes.ts'
import { TestRedis } from './redis.ts'
import { Wire } from './wire.ts'

let echo: Server
let port: number
let received = 0
beforeAll(async () => {
  echo = createServer((socket) => {
    socket.on('data', (bytes) => (received += bytes.length))
    socket.on('error', () => undefined)
    socket.pipe(socket)
  }).listen(0, '127.0.0.1')
  await once(echo, 'listening')
  port = (echo.address() as AddressInfo).port
})
afterAll(() => echo.close())
beforeEach(() => {
  received = 0
})

async function dial(wire: Wire): Promise<Socket & { heard: () => string }> {
  const socket = connect(wire.port, '127.0.0.1')
  let text = ''
  socket.on('data', (bytes) => (text += String(bytes)))
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return Object.assign(socket, { heard: () => text })
}

/** `once` would throw the error that a reset causes first. */
const closing = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve))

test('a wire carries bytes both ways, and counts them', async () => {
  await using wire = await Wire.to({ port })
  const socket = await dial(wire)
  socket.write('hello')
  await eventually(() => socket.heard() === 'hello')
  expect(wire.bytes).toEqual({ up: 5, down: 5 })
  expect(wire.connections).toBe(1)
})

test('a limited wire carries everything, and no faster than its limit', async () => {
  await using wire = await Wire.to({ port })
  wire.limit('down', 1_000_000)
  const socket = await dial(wire)
  const start = performance.now()
  socket.write('x'.repeat(500_000))
  await eventually(() => socket.heard().length === 500_000)
  expect(performance.now() - start).toBeGreaterThan(300)
})

test('a cut wire drops its connections and refuses new ones until it is restored', async () => {
  await using wire = await Wire.to({ port })
  const socket = await dial(wire)
  const closed = closing(socket)
  wire.cut()
  await closed
  await closing(connect(wire.port, '127.0.0.1').on('error', () => undefined))
  wire.restore()
  const again = await dial(wire)
  again.write('back')
  await eventually(() => again.heard() === 'back')
})

test('a paused wire holds bytes back without closing, and loses none', async () => {
  await using wire = await Wire.to({ port })
  const socket = await dial(wire)
  socket.write('a')
  await eventually(() => socket.heard() === 'a')
  wire.pause('down')
  socket.write('b')
  await eventually(() => received === 2)
  expect(socket.heard()).toBe('a')
  wire.resume('down')
  await eventually(() => socket.heard() === 'ab')
})

test('a delayed wire keeps the order, even if the delay ends in between', async () => {
  await using wire = await Wire.to({ port })
  const socket = await dial(wire)
  wire.delay(60)
  const start = performance.now()
  socket.write('a')
  await eventually(() => wire.bytes.up === 1)
  wire.delay(0)
  socket.write('b')
  await eventually(() => socket.heard() === 'ab')
  expect(performance.now() - start).toBeGreaterThan(50)
})

test('a flooded wire delivers bytes that nobody sent', async () => {
  await using wire = await Wire.to({ port })
  const socket = await dial(wire)
  wire.flood('down', Buffer.from('noise'))
  await eventually(() => socket.heard() === 'noise')
  expect(received).toBe(0)
})

test('a test can kill its process, which reports how it ended', async () => {
  await using owned = await startProcess({
    command: process.execPath,
    args: ['-e', 'console.log("up"); setInterval(() => {}, 1e3)'],
  })
  expect(await owned.line(/up/)).toBe('up')
  await owned.kill()
  expect(await owned.exited).toEqual({ code: null, signal: 'SIGKILL' })
  expect(owned.alive).toBe(false)
  await expect(owned.line(/never/)).rejects.toThrow('ended before')
})

test('a Redis can be restarted empty on the same port', async () => {
  await using redis = await TestRedis.start()
  const ask = async (command: string) => {
    const socket = connect(redis.port, '127.0.0.1')
    socket.write(`${command}\r\n`)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    socket.destroy()
    return String(answer).trim()
  }
  expect(await ask('SET key 1')).toBe('+OK')
  expect(await ask('EXISTS key')).toBe(':1')
  await redis.restart()
  expect(await ask('EXISTS key')).toBe(':0')
})
