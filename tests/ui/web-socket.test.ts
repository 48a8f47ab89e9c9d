// The page's own transport does what socket.io-client does with the same server: the engine sees
// the same of a connection, whichever of them makes it.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from 'socket.io'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { connectBySocketIo } from '@lockstep/client'
import type { Handshake } from '@lockstep/protocol/sync'
import { connectByWebSocket } from '../../ui/src/lib/services/web-socket.ts'

const handshake = (name: string): Handshake => ({ protocol: 1, name }) as Handshake

/** The window of the page. */
let pageWindow: EventTarget

beforeEach(() => {
  pageWindow = new EventTarget()
  for (const name of ['addEventListener', 'removeEventListener'] as const)
    vi.stubGlobal(name, pageWindow[name].bind(pageWindow))
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

/** A server with two namespaces. Its commands say what happens to the connection that sent them. */
async function createScriptedServer() {
  const http = createServer()
  const io = new Server(http, { transports: ['websocket'], serveClient: false })
  for (const name of ['/a', '/b']) {
    const namespace = io.of(name)
    namespace.use((socket, next) => {
      const isWelcome = socket.handshake.auth.name !== 'stranger'
      next(isWelcome ? undefined : Object.assign(new Error('no'), { data: { code: 'forbidden' } }))
    })
    namespace.on('connection', (socket) => {
      socket.emit('sync', { line: socket.request.headers['sec-websocket-key'] ?? '' })
      socket.on('echo', (payload: unknown, ack: (answer: unknown) => void) => ack({ payload }))
      socket.on('part', () => socket.disconnect())
      socket.on('cut', () => socket.conn.close())
      socket.on('never', () => undefined)
    })
  }
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: () => io.close(),
  }
}

test.each([
  ['socket.io-client', (origin: string) => connectBySocketIo(origin, {})],
  ['the page’s own transport', () => connectByWebSocket('')],
])('%s joins, asks, is refused, leaves, loses the line and comes back', async (_, connectTo) => {
  await using server = await createScriptedServer()
  vi.stubGlobal('location', new URL(server.origin))
  const connect = connectTo(server.origin)
  const seen: unknown[] = []
  let arrived = () => {}
  const note = (entry: unknown) => {
    seen.push(entry)
    arrived()
  }
  const until = async (count: number) => {
    while (seen.length < count) await new Promise<void>((resolve) => (arrived = resolve))
    return seen.splice(0)
  }
  let name = 'stranger'
  const open = (namespace: string) => {
    const socket = connect(namespace, () => handshake(name))
    socket.on('sync', (sync) => note([namespace, 'sync', sync]))
    socket.on('disconnect', () => note([namespace, 'disconnect']))
    socket.on('connect_error', (error) =>
      note([namespace, 'connect_error', error instanceof Error && Reflect.get(error, 'data')]),
    )
    return socket
  }
  const [a, b] = [open('/a'), open('/b')]

  a.connect()
  expect(await until(1)).toEqual([['/a', 'connect_error', { code: 'forbidden' }]])
  name = 'alice'
  a.connect()
  const joined = await until(1)
  expect(joined).toEqual([['/a', 'sync', { line: expect.any(String) }]])
  b.connect()
  expect(await until(1), 'over the same line').toEqual([['/b', ...(joined[0] as []).slice(1)]])

  // One that hasn't joined may leave: it is no reason for the server to end the line.
  open('/c').disconnect()
  const text = 'commas, "quotes", /a,1[2] and \u{1f600}\n'
  a.emit('echo', { text }, (answer) => note(answer))
  b.emit('echo', [text], (answer) => note(answer))
  expect(await until(2)).toEqual([{ payload: { text } }, { payload: [text] }])

  const lost = () => note('an ack although the line was lost')
  a.emit('never', {}, lost)
  a.emit('part', {}, lost)
  expect(await until(1)).toEqual([['/a', 'disconnect']])
  b.emit('echo', 1, (answer) => note(answer))
  expect(await until(1)).toEqual([{ payload: 1 }])
  a.connect()
  expect(await until(1)).toEqual([['/a', ...(joined[0] as []).slice(1)]])

  b.emit('never', {}, lost)
  b.emit('cut', {}, lost)
  expect(new Set((await until(2)).map(String))).toEqual(new Set(['/a,disconnect', '/b,disconnect']))
  a.connect()
  b.connect()
  const both = await until(2)
  expect(new Set(both.map(String))).toEqual(
    new Set(['/a,sync,[object Object]', '/b,sync,[object Object]']),
  )
  b.emit('never', {}, lost)
  b.disconnect()
  expect(await until(1)).toEqual([['/b', 'disconnect']])
  a.emit('echo', 2, (answer) => note(answer))
  expect(await until(1)).toEqual([{ payload: 2 }])
  b.connect()
  expect(await until(1)).toEqual([both.find((entry) => String(entry).startsWith('/b'))])

  await server[Symbol.asyncDispose]()
  expect(new Set((await until(2)).map(String))).toEqual(new Set(['/a,disconnect', '/b,disconnect']))
  a.connect()
  b.connect()
  expect(new Set((await until(2)).map(String))).toEqual(
    new Set(['/a,connect_error,', '/b,connect_error,']),
  )
})

/** A WebSocket whose server is the test. */
class ScriptedSocket {
  static last: ScriptedSocket
  readonly url: string
  readonly sent: string[] = []
  onmessage = (_event: { data: unknown }) => {}
  onclose = () => {}
  isClosed = false
  constructor(url: URL) {
    this.url = url.href
    ScriptedSocket.last = this
  }
  send(text: string): void {
    this.sent.push(text)
  }
  close(): void {
    this.isClosed = true
  }
}

test('the line is given up if it doesn’t open, falls silent or brings what is no packet', () => {
  vi.useFakeTimers()
  vi.stubGlobal('WebSocket', ScriptedSocket)
  vi.stubGlobal('location', new URL('https://chat.example/app/new'))
  const socket = connectByWebSocket('/base')('/a', () => handshake('alice'))
  const seen: string[] = []
  for (const event of ['connect_error', 'disconnect']) socket.on(event, () => seen.push(event))
  const open = () => {
    seen.length = 0
    socket.connect()
    ScriptedSocket.last.onmessage({ data: '0{"pingInterval":25000,"pingTimeout":20000}' })
    return ScriptedSocket.last
  }

  socket.connect()
  expect(ScriptedSocket.last.url).toBe(
    'wss://chat.example/base/socket.io/?EIO=4&transport=websocket',
  )
  vi.advanceTimersByTime(10_000)
  expect([seen, ScriptedSocket.last.isClosed]).toEqual([['connect_error'], true])

  const silent = open()
  expect(silent.sent).toEqual(['40/a,{"protocol":1,"name":"alice"}'])
  vi.advanceTimersByTime(44_000)
  silent.onmessage({ data: '2' })
  expect(silent.sent[1]).toBe('3')
  vi.advanceTimersByTime(44_000)
  expect(seen).toEqual([])
  vi.advanceTimersByTime(1000)
  expect([seen, silent.isClosed]).toEqual([['disconnect'], true])

  const offline = open()
  pageWindow.dispatchEvent(new Event('offline'))
  expect([seen, offline.isClosed]).toEqual([['disconnect'], true])

  for (const packet of ['42/a,["sync"', '0nothing', '1']) {
    const line = open()
    line.onmessage({ data: packet })
    expect([packet, seen, line.isClosed]).toEqual([packet, ['disconnect'], true])
    // What an ended line still brings is nothing of the next one.
    const next = open()
    line.onmessage({ data: '1' })
    line.onclose()
    expect([seen, next.isClosed]).toEqual([[], false])
    socket.disconnect()
    expect(next.isClosed).toBe(true)
  }
})
