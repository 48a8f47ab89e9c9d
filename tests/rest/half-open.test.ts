// Connections that a client opens and then neither uses nor closes.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { gatewaySettings } from '../../realtime/gateway/settings.ts'
import { httpSettings } from '../../realtime/http/settings.ts'
import { eventually, within } from '../harness/eventually.ts'
import { freshDatabase } from '../harness/database.ts'
import { startNode } from '../harness/node.ts'
import { request, signUp } from '../harness/person.ts'

const upgrade = (path: string) =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`
/** What the clients send before they fall silent. */
const openings = [
  ['nothing', ''],
  ['half a request', 'GET / HTTP/1.1\r\nHost: x\r\n'],
  ['what is not HTTP', 'HELLO\r\n\r\n'],
  ['an upgrade that never joins', upgrade('/socket.io/?EIO=4&transport=websocket')],
  ['an upgrade to nowhere', upgrade('/elsewhere')],
] as const
const EACH = 400

test('2,000 half-open connections delay nobody and are closed soon', async () => {
  await using database = freshDatabase()
  const timings = { ...httpSettings.timings, headers: 4_000, check: 250 }
  const options = {
    http: { ...httpSettings, timings },
    gateway: { ...gatewaySettings, timings: { ...gatewaySettings.timings, connect: 4_000 } },
  }
  await using node = await startNode(database, { options })
  const alice = await signUp(node)
  const connections = async () => {
    const { body } = await request<string>(`${node.url}/metrics`, 'GET')
    return Number(/^lockstep_connections (\d+)/m.exec(body)![1])
  }
  const sockets: Socket[] = []
  try {
    const opened: Record<string, number> = {}
    for (const [what, opening] of openings) {
      for (let i = 0; i < EACH; i += 100)
        sockets.push(
          ...(await Promise.all(Array.from({ length: 100 }, () => leave(node.url, opening)))),
        )
      opened[what] = await connections()
      await within(8_000, 'a change', alice.ask('putPreferences', { body: { what } }))
    }
    expect(opened['half a request']).toBeGreaterThan(EACH)
    await eventually(async () => expect(await connections()).toBeLessThan(20), { within: 15_000 })
  } finally {
    for (const socket of sockets) socket.destroy()
  }
}, 60_000)

async function leave(url: string, opening: string): Promise<Socket> {
  const socket = connect({
    port: Number(new URL(url).port),
    host: '127.0.0.1',
    allowHalfOpen: true,
  })
  socket.on('error', () => undefined).resume()
  await once(socket, 'connect')
  if (opening !== '') socket.write(opening)
  return socket
}
