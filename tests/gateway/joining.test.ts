// Who may join, and what a device receives first, over real sockets.
import { describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { EPOCH } from './scripted-log.ts'
import { startScriptedNode } from './scripted-node.ts'

describe('a handshake is refused', () => {
  test('without a known session', async () => {
    await using node = await startScriptedNode()
    expect((await node.connect('conversations', undefined).next('connect_error')).data?.code).toBe(
      'unauthenticated',
    )
    expect((await node.connect('account', 'session=x').next('connect_error')).data?.code).toBe(
      'unauthenticated',
    )
  })

  test('if the device holds the state of another user', async () => {
    await using node = await startScriptedNode()
    const { cookie, user_id } = node.sessions.signIn()
    const refused = node.connect('conversations', cookie, { protocol: 1, user_id: newId() })
    expect((await refused.next('connect_error')).data?.code).toBe('unauthenticated')
    await node.join('conversations', cookie, { user_id })
  })

  test.for([
    [
      'from a foreign page',
      { protocol: 1 },
      { origin: 'https://evil.example' },
      'forbidden_origin',
    ],
    ['with an unknown protocol', { protocol: 99 }, {}, 'protocol_unsupported'],
    ['without a protocol', {}, {}, 'protocol_unsupported'],
    ['with a broken cursor', { protocol: 1, since: { epoch: 'e', seq: -1 } }, {}, 'invalid'],
  ] as const)('%s', async ([, auth, headers, code]) => {
    await using node = await startScriptedNode()
    const { cookie } = node.sessions.signIn()
    expect(
      (await node.connect('preferences', cookie, auth, headers).next('connect_error')).data?.code,
    ).toBe(code)
  })

  test('while the database is away', async () => {
    await using node = await startScriptedNode()
    const { cookie } = node.sessions.signIn()
    node.sessions.away = true
    const error = await node.connect('agents', cookie).next('connect_error')
    expect(error.data).toMatchObject({ code: 'unavailable', status: 503 })
  })

  test('if a user joins too often or has too many sockets', async () => {
    await using node = await startScriptedNode({ settings: { joins: { rate: 0.001, burst: 2 } } })
    const { cookie } = node.sessions.signIn()
    await node.join('conversations', cookie)
    await node.join('conversations', cookie)
    const error = await node.connect('conversations', cookie).next('connect_error')
    expect(error.data?.code).toBe('rate_limited')
    expect(error.data?.retry_after_ms).toBeGreaterThan(0)
    await using small = await startScriptedNode({
      settings: { devicesPerUser: 1 },
      sessions: node.sessions,
    })
    await small.join('conversations', cookie)
    expect((await small.connect('conversations', cookie).next('connect_error')).data?.code).toBe(
      'rate_limited',
    )
  })

  test('at the root namespace', async () => {
    await using node = await startScriptedNode()
    const { cookie } = node.sessions.signIn()
    expect(await node.connect('', cookie).next('connect_error')).toBeInstanceOf(Error)
  })
})

test('a device at the head gets an empty sync, and the log is not read', async () => {
  await using node = await startScriptedNode()
  const { cookie, user_id } = node.sessions.signIn()
  node.log.append(user_id)
  const client = node.connect('conversations', cookie, {
    protocol: 1,
    since: { epoch: EPOCH, seq: 1 },
  })
  expect(await client.next('sync')).toEqual({
    epoch: EPOCH,
    from: 1,
    to: 1,
    changes: [],
    more: false,
    reset: false,
  })
  expect(node.log.reads).toBe(0)
})

test('all namespaces share one transport and behave alike', async () => {
  await using node = await startScriptedNode()
  const { cookie, user_id } = node.sessions.signIn()
  const first = node.connect('conversations', cookie)
  await first.next('sync')
  for (const topic of ['preferences', 'agents', 'account'] as const) {
    const client = node.connect(topic, cookie)
    await client.next('sync')
    const change = node.log.append(user_id, { topic })
    node.gateway.deliver(user_id, change)
    expect(await client.next('change')).toEqual(change)
  }
})

test("GATE-2 live changes come in order, once, and never another user's", async () => {
  await using node = await startScriptedNode()
  const [alice, bob] = [node.sessions.signIn(), node.sessions.signIn()]
  const [hers, his] = [
    await node.join('conversations', alice.cookie),
    await node.join('conversations', bob.cookie),
  ]
  for (let i = 0; i < 50; i++) {
    const change = node.log.append(alice.user_id)
    node.gateway.deliver(alice.user_id, change)
    if (i % 7 === 0) node.gateway.deliver(alice.user_id, change)
  }
  for (let seq = 1; seq <= 50; seq++) expect((await hers.next('change')).seq).toBe(seq)
  const own = node.log.append(bob.user_id)
  node.gateway.deliver(bob.user_id, own)
  expect(await his.next('change')).toEqual(own)
  expect(his.eventNames()).toEqual(['sync', 'change'])
})

test('GATE-5 the loss of the newest change is noticed by the head of the database', async () => {
  await using node = await startScriptedNode({
    settings: { timings: { head: 100, quietHead: 100 } },
  })
  const { cookie, user_id } = node.sessions.signIn()
  const client = await node.join('conversations', cookie)
  const lost = node.log.append(user_id)
  expect((await client.next('sync')).changes).toEqual([lost])
  expect(await client.next('head')).toMatchObject({ epoch: EPOCH })
  expect(await node.metric('lockstep_device_behind_total')).toBe(1)
})

test('a comparison of heads brings every device what it lacks', async () => {
  await using node = await startScriptedNode()
  const { cookie, user_id } = node.sessions.signIn()
  const client = await node.join('conversations', cookie)
  const lost = node.log.append(user_id)
  await node.gateway.compareHeads()
  expect((await client.next('sync')).changes).toEqual([lost])
})
