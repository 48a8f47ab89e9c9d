// Large frames of several connections may arrive in one turn of the event loop. Each is decoded in
// a turn of its own then, and what came after it on its connection stays after it.
import { PacketType, type Packet } from 'socket.io-parser'
import { expect, test } from 'vitest'
import { limits } from '@lockstep/protocol/limits'
import { frameParser, refuseFrames } from '../../realtime/gateway/frame-decoder.ts'
import { longestTurn, longestTurnAtBest, MAX_TURN_MS } from '../attacks/turn-meter.ts'

/** As many keys as a frame may have. */
const keys = Array.from({ length: limits.jsonKeys - 10 }, (_, n) => [n.toString(36), n])
const large = `2/conversations,1["update",${JSON.stringify(Object.fromEntries(keys))}]`
const small = (id: number) => `2/conversations,${id}["update",{}]`

function connection() {
  const decoder = new frameParser.Decoder()
  const errors: unknown[] = []
  const decoded: Packet[] = []
  decoder.on('decoded', (packet: Packet) => void decoded.push(packet))
  // Assertion: these are the parts of a client that the decoder knows.
  const client = { decoder, onerror: (error: unknown) => errors.push(error) } as never
  refuseFrames({ client }, () => 0)
  const ids = () => decoded.map(({ id, type }) => (type === PacketType.EVENT ? id : 'end'))
  return { decoder, errors, ids }
}

test('thirty that arrive at once hold nobody’s turn', async () => {
  const longest = await longestTurnAtBest(async () => {
    const connections = Array.from({ length: 30 }, connection)
    const { longestMs } = await longestTurn(async () => {
      for (const { decoder } of connections) decoder.add(large)
      await expect.poll(() => connections.every(({ ids }) => ids().length === 1)).toBe(true)
    })
    return longestMs
  })
  expect(longest).toBeLessThan(MAX_TURN_MS)
})

test('what follows a frame that waits comes after it, and is decoded at last', async () => {
  const connections = Array.from({ length: 4 }, connection)
  for (const { decoder } of connections)
    for (const frame of [large, small(2), large, small(4), '1/conversations,']) decoder.add(frame)
  await expect
    .poll(() => connections.map(({ ids }) => ids()))
    .toEqual(connections.map(() => [1, 2, 1, 4, 'end']))
})

test('a frame that waited and can’t be read ends its connection, and nothing follows', async () => {
  const [first, second] = [connection(), connection()]
  for (const frame of [large, large]) first.decoder.add(frame)
  for (const frame of [`${large}x`, small(2)]) second.decoder.add(frame)
  await expect.poll(() => second.errors.length).toBe(1)
  await expect.poll(() => first.ids()).toEqual([1, 1])
  expect(second.ids()).toEqual([])
})

test('frames of a connection that has ended meanwhile are dropped', async () => {
  const [first, second] = [connection(), connection()]
  for (const { decoder } of [first, second]) for (const _ of [1, 2, 3]) decoder.add(large)
  second.decoder.destroy()
  await expect.poll(() => first.ids()).toEqual([1, 1, 1])
  expect(second.ids().length).toBeLessThan(2)
})
