// What one connection can bring at once: requests one behind the other without waiting for answers,
// and control frames of a WebSocket, which no limit of events counts.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { longestTurn, longestTurnAtBest, MAX_TURN_MS } from './turn-meter.ts'

const shared = sharedNodes()

/** Whether it ends or breaks. */
const closeOf = (socket: Socket) =>
  new Promise<void>((resolve) => void socket.once('close', () => resolve()))

/** Sends bytes and resolves to what came until the connection ended or has `answers` answers. */
async function exchange(bytes: string | Buffer, answers = Infinity): Promise<string> {
  const socket = connect(Number(new URL(shared.node.url).port), '127.0.0.1')
  let came = ''
  socket.on('error', () => undefined)
  socket.on('data', (chunk: Buffer) => {
    came += chunk.toString('latin1')
    if (countOf(came) >= answers) socket.destroy()
  })
  socket.write(bytes)
  await closeOf(socket)
  return came
}
const countOf = (came: string): number => came.split('HTTP/1.1 ').length - 1
const requestOf = (cookie: string) =>
  `GET /users/me HTTP/1.1\r\nHost: x\r\nCookie: ${cookie}\r\n\r\n`

test('requests that don’t wait for the answers before them end their connection, and hold nobody’s turn', async () => {
  const { cookie } = await signUp(shared.node, 'eve')
  const some = await exchange(requestOf(cookie).repeat(4), 4)
  expect(some.split('200 OK')).toHaveLength(5)
  const longest = await longestTurnAtBest(async () => {
    const { result, longestMs } = await longestTurn(() =>
      exchange(requestOf(cookie).repeat(1_000), 1_000),
    )
    expect(countOf(result)).toBeLessThan(10)
    return longestMs
  })
  expect(longest).toBeLessThan(MAX_TURN_MS)
}, 60_000)

/** Opens a WebSocket; the test writes its bytes. */
async function openWebSocket(cookie: string): Promise<Socket> {
  const socket = connect(Number(new URL(shared.node.url).port), '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(
    `GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nCookie: ${cookie}\r\n` +
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  await once(socket, 'data')
  return socket
}
/** A short frame with a mask of zeros. */
const frameOf = (opcode: number, text: string) =>
  Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)])

test.each([
  ['pings', frameOf(9, 'x')],
  ['pongs', frameOf(10, 'x')],
  ['heartbeats', frameOf(1, '3')],
  ['acks', frameOf(1, '43/account,1[]')],
  ['joins', frameOf(1, '40/x,')],
])('a flood of %s ends its WebSocket; a few are answered as they should', async (_what, frame) => {
  const { cookie } = await signUp(shared.node, 'eve')
  const socket = await openWebSocket(cookie)
  socket.write(frameOf(9, 'x'))
  let came = Buffer.alloc(0)
  while (!came.includes(Buffer.from([0x8a, 1, 0x78])))
    came = Buffer.concat([came, ...((await once(socket, 'data')) as Buffer[])])
  const closed = closeOf(socket.resume())
  const began = performance.now()
  socket.write(Buffer.concat(Array<Buffer>(1_000).fill(frame)))
  await closed
  // whoever joins nothing is disconnected after 10 s, flood or not
  expect(performance.now() - began).toBeLessThan(5_000)
})
