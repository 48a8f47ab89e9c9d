import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { createGatewayMetrics } from '../../realtime/gateway/metrics.ts'
import { gatewaySettings } from '../../realtime/gateway/settings.ts'
import { endDeadTransports, endHoarders } from '../../realtime/gateway/transport-checks.ts'
import { Transports } from '../../realtime/gateway/transport.ts'
import { createMetrics } from '../../realtime/observability/metrics.ts'

const TABS = 10_000

/** The part of an engine.io socket that a transport uses, and its TCP socket. */
function fakeSocket() {
  const questions = { asked: 0 }
  const tcp = Object.assign(new EventEmitter(), { writableLength: 0, destroy() {} })
  Object.defineProperty(tcp, 'bytesRead', { get: () => questions.asked++ })
  const request = { socket: tcp }
  const engineSocket = Object.assign(new EventEmitter(), {
    ...{ request, transport: new EventEmitter(), readyState: 'open', close() {} },
  })
  return { engineSocket, tcp, questions }
}

function openTransports() {
  const transports = new Transports(gatewaySettings.transport, {
    take: () => 0,
    isFlooded: () => false,
    onFlooded() {},
  })
  const open = (user_id: string) => {
    const socket = fakeSocket()
    transports.of(socket.engineSocket as unknown as Parameters<Transports['of']>[0], user_id)
    return socket
  }
  return { transports, open }
}

test('the checks of 10,000 idle tabs take a millisecond or two of each second', async () => {
  const { transports, open } = openTransports()
  const sockets = Array.from({ length: TABS }, (_, index) => open(`user ${index}`))
  const metrics = createGatewayMetrics(createMetrics(), () => transports)
  const check = async () => {
    await endHoarders(transports, gatewaySettings, metrics)
    await endDeadTransports(transports, gatewaySettings.timings, metrics)
  }
  const rounds: number[] = []
  for (let round = 0; round < 15; round++) {
    const before = process.threadCpuUsage()
    await check()
    const { user, system } = process.threadCpuUsage(before)
    rounds.push((user + system) / 1_000)
  }
  expect(rounds.sort((a, b) => a - b)[7]).toBeLessThan(5)
  // the counter of a TCP socket leaves JavaScript each time that it is read
  expect(sockets.filter(({ questions }) => questions.asked > 0)).toEqual([])
})

test('a transport is checked until it closes, whether or not a namespace has left it', () => {
  const { transports, open } = openTransports()
  const [first, second] = [open('ann'), open('ben')]
  expect([...transports].map(({ user_id }) => user_id)).toEqual(['ann', 'ben'])
  first.engineSocket.emit('close')
  expect([...transports].map(({ user_id }) => user_id)).toEqual(['ben'])
  second.tcp.emit('data', Buffer.alloc(70_000))
  expect([...transports][0]!.unfinishedBytes()).toBe(70_000)
  second.engineSocket.emit('packet', { type: 'message' })
  expect([...transports][0]!.unfinishedBytes()).toBe(0)
})
