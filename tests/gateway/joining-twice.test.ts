// A transport that joins a namespace again. Whatever it sends, there is one state machine per
// socket, and no connection is left over.
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { eventually, within } from '../harness/eventually.ts'
import { RawSocket } from '../harness/raw-socket.ts'
import { ScriptedSessions, startScriptedNode, type ScriptedNode } from './scripted-node.ts'

const JOIN = '40/account,{"protocol":1}'
const LEAVE = '41/account,'

/** Sessions whose reads wait until the test lets them continue. */
class HeldSessions extends ScriptedSessions {
  readonly identifying = createBarrier()
  readonly verifying = createBarrier()

  override async identify(cookie: string | undefined) {
    await this.identifying.pass()
    return super.identify(cookie)
  }

  override async alive(ids: readonly string[]) {
    await this.verifying.pass()
    return super.alive(ids)
  }
}

function createBarrier() {
  let opened = Promise.withResolvers<void>()
  opened.resolve()
  let reached = Promise.withResolvers<void>()
  return {
    close: () => void ((opened = Promise.withResolvers()), (reached = Promise.withResolvers())),
    open: () => opened.resolve(),
    /** Resolves when a read has reached the closed barrier. */
    reached: () => reached.promise,
    async pass() {
      reached.resolve()
      await opened.promise
    },
  }
}

async function startHeldNode() {
  const sessions = new HeldSessions()
  const node = await startScriptedNode({ sessions })
  return { node, sessions, ...sessions.signIn() }
}

/** The number of sockets, in whatever state. */
const sockets = (node: ScriptedNode) => node.metric('lockstep_sockets')
/** The events that a raw socket has received, in order. */
const events = ({ inbox }: RawSocket): [name: string, payload: { seq?: number }][] =>
  inbox
    .all<string>('frame')
    .flatMap((frame) => (frame.startsWith('42/account,') ? [JSON.parse(frame.slice(11))] : []))
const answers = ({ inbox }: RawSocket) =>
  inbox.all<string>('frame').filter((frame) => frame.startsWith('43/'))

test('GATE-8 a second join before the answer to the first ends the transport and leaves nothing over', async () => {
  const { node: started, sessions, cookie, user_id } = await startHeldNode()
  await using node = started
  const witness = await node.join('account', cookie)
  sessions.identifying.close()
  using raw = await RawSocket.open(node.url, { cookie })
  raw.send(JOIN)
  await sessions.identifying.reached()
  raw.send(JOIN)
  await within(2_000, 'the end of the transport', raw.closed)
  sessions.identifying.open()
  expect(events(raw)).toEqual([])

  witness.socket.disconnect()
  await eventually(async () => (await sockets(node)) === 0)
  expect(await node.gateway.onlineSessions(user_id)).toEqual(new Set())
  expect(witness.eventNames()).toEqual(['sync', 'disconnect'])
})

test('a join after a refused one is answered like a first one', async () => {
  const { node: started, cookie, user_id } = await startHeldNode()
  await using node = started
  using raw = await RawSocket.open(node.url, { cookie })
  raw.send('40/account,{"protocol":99}')
  await raw.inbox.until<string>('frame', (frame) => frame.startsWith('44/account,'))
  raw.send(JOIN)
  await raw.inbox.until<string>('frame', (frame) => frame.startsWith('42/account,["sync"'))
  expect(await sockets(node)).toBe(1)
  expect((await node.gateway.onlineSessions(user_id)).size).toBe(1)
})

test('GATE-2 a device that leaves and joins again before its first sync gets one sync, and each change once', async () => {
  const { node: started, sessions, cookie, user_id } = await startHeldNode()
  await using node = started
  sessions.verifying.close()
  using raw = await RawSocket.open(node.url, { cookie })
  raw.send(JOIN)
  await sessions.verifying.reached()
  raw.send(LEAVE)
  await eventually(async () => (await sockets(node)) === 0)
  raw.send(JOIN)
  await eventually(async () => (await sockets(node)) === 1)
  const early = node.log.append(user_id, { topic: 'account' })
  node.gateway.deliver(user_id, early)
  sessions.verifying.open()
  await raw.inbox.until<string>('frame', (frame) => frame.startsWith('42/account,["sync"'))
  const late = node.log.append(user_id, { topic: 'account' })
  node.gateway.deliver(user_id, late)
  await raw.inbox.until<string>('frame', (frame) => frame.startsWith('42/account,["change"'))
  raw.send(LEAVE)
  await eventually(async () => (await sockets(node)) === 0)
  expect(events(raw).map(([name, { seq }]) => [name, seq])).toEqual([
    ['sync', undefined],
    ['change', late.seq],
  ])
  expect(await node.gateway.onlineSessions(user_id)).toEqual(new Set())
})

test('a request of a device that has left neither brings it back nor is answered to its successor', async () => {
  const { node: started, sessions, cookie, user_id } = await startHeldNode()
  await using node = started
  const witness = await node.join('account', cookie)
  sessions.verifying.close()
  using raw = await RawSocket.open(node.url, { cookie })
  raw.send(JOIN)
  await sessions.verifying.reached()
  raw.send(`42/account,0["viewing",{"conversation_id":"${newId()}"}]`)
  raw.send(LEAVE)
  await eventually(async () => (await sockets(node)) === 1)
  raw.send(JOIN)
  await eventually(async () => (await sockets(node)) === 2)
  sessions.verifying.open()
  await raw.inbox.until<string>('frame', (frame) => frame.startsWith('42/account,["sync"'))
  raw.send('42/account,0["range",{"from":1,"to":1}]')
  await raw.inbox.until<string>('frame', (frame) => frame.startsWith('43/'))
  expect(answers(raw)).toEqual([expect.stringContaining('"changes"')])

  raw.send(LEAVE)
  await eventually(async () => (await sockets(node)) === 1)
  expect((await node.gateway.onlineSessions(user_id)).size).toBe(1)
  // Every connection that was announced as online was announced as offline.
  const told = new Map<string, boolean>()
  await eventually(() => {
    for (const { event, payload } of witness.seen)
      if (event === 'presence') {
        const { connection_id, online } = payload as { connection_id: string; online: boolean }
        told.set(connection_id, online)
      }
    return told.size === 2 && ![...told.values()].includes(true)
  })
})
