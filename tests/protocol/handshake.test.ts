import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { topics } from '@lockstep/protocol/topics'
import { PROTOCOL, servedBy } from '@lockstep/protocol/version'
import { gatewaySettings } from '../../realtime/gateway/settings.ts'
import { Device, Refused, type DeviceOptions } from '../harness/device.ts'
import { startNode, type TestNode } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes(1, { publicOrigins: ['https://chat.example.org'] })
let alice: Person
beforeAll(async () => {
  alice = await signUp(shared.node, 'alice')
})

const refusal = (topic: string, cookie: string | undefined, options: DeviceOptions = {}) =>
  Device.open(shared.node.url, cookie, topic, options).then(
    (device) => {
      device.close()
      return undefined
    },
    (error: unknown) => (error as Refused).data ?? 'no problem given',
  )

describe.each(topics)('GATE-9: a handshake at /%s', (topic) => {
  const code = (problem: object | string | undefined) =>
    problem && (problem as { code: string }).code

  test('is accepted with a cookie, and followed by a sync before anything else', async () => {
    await using device = await alice.device(topic, { user_id: alice.user.id })
    await device.next('sync')
    expect(device.inbox.received[0]?.event).toBe('sync')
  })

  test('is unauthenticated without a cookie, with a foreign cookie and with a changed cookie', async () => {
    expect(await refusal(topic, undefined)).toMatchObject({ code: 'unauthenticated', status: 401 })
    for (const cookie of [
      'lockstep_session=',
      'lockstep_session=x',
      `${alice.cookie.slice(0, -4)}AAAA`,
      'other=1',
    ])
      expect(await refusal(topic, cookie)).toMatchObject({ code: 'unauthenticated' })
  })

  test("is unauthenticated when user_id isn't the cookie's", async () => {
    expect(await refusal(topic, alice.cookie, { user_id: newId() })).toMatchObject({
      code: 'unauthenticated',
    })
  })

  test('is protocol_unsupported for every number that is not served, with or without a cookie', async () => {
    for (const protocol of [0, 2, -1, 99, 1.5, null, 'x', undefined, {}, [2]])
      expect(code(await refusal(topic, alice.cookie, { auth: { protocol } }))).toBe(
        'protocol_unsupported',
      )
    expect(code(await refusal(topic, undefined, { auth: { protocol: 99 } }))).toBe(
      'protocol_unsupported',
    )
  })

  test('is invalid if its cursor or user_id is malformed', async () => {
    const cursors = [
      { epoch: 'e' },
      { seq: 1 },
      { epoch: 'e', seq: -1 },
      { epoch: 1, seq: 1 },
      { epoch: 'e', seq: 1, $gt: '' },
      7,
      { epoch: 'x'.repeat(65), seq: 1 },
    ]
    for (const since of cursors)
      expect(await refusal(topic, alice.cookie, { auth: { since } })).toMatchObject({
        code: 'invalid',
      })
    for (const user_id of ['x', { $ne: null }, 5])
      expect(await refusal(topic, alice.cookie, { auth: { user_id } })).toMatchObject({
        code: 'invalid',
      })
  })

  test('is forbidden_origin from a foreign page, and accepted from its own and an allowed origin', async () => {
    for (const origin of [
      'https://evil.example',
      'null',
      `${shared.node.url}.evil.example`,
      'http://127.0.0.1',
    ])
      expect(await refusal(topic, alice.cookie, { headers: { origin } })).toMatchObject({
        code: 'forbidden_origin',
      })
    expect(
      await refusal(topic, alice.cookie, { headers: { origin: 'https://chat.example.org' } }),
    ).toBeUndefined()
  })
})

test("the server's own host is the allowed origin if none is configured", async () => {
  await using node = await startNode(shared.database)
  await using device = await alice.at(node).device('account', { headers: { origin: node.url } })
  expect(device.connected).toBe(true)
  const foreign = alice
    .at(node)
    .device('account', { headers: { origin: 'https://chat.example.org' } })
  await expect(foreign).rejects.toMatchObject({ data: { code: 'forbidden_origin' } })
})

test('a cookie sealed with another secret is unauthenticated', async () => {
  await using other = await startNode(shared.database, {
    sessionSecrets: ['another secret, as long as it has to be'],
  })
  const eve = await signUp(other, 'eve')
  expect(await refusal('conversations', eve.cookie)).toMatchObject({ code: 'unauthenticated' })
  expect((await eve.at(shared.node).rest('GET', '/users/me')).status).toBe(401)
})

describe('nodes of two neighbouring versions side by side', () => {
  let next: TestNode
  beforeAll(async () => {
    const gateway = { ...gatewaySettings, protocols: servedBy(PROTOCOL + 1) }
    next = await startNode(shared.database, { options: { gateway } })
  })
  afterAll(() => next.stop())

  const at = (node: TestNode, protocol: unknown) =>
    alice.at(node).device('preferences', { auth: { protocol } })
  const unsupported = { data: { code: 'protocol_unsupported' } }

  test('the newer node serves its own number and the one before, and no other', async () => {
    for (const protocol of [PROTOCOL, PROTOCOL + 1]) {
      await using device = await at(next, protocol)
      expect(device.connected).toBe(true)
    }
    for (const protocol of [PROTOCOL - 1, PROTOCOL + 2])
      await expect(at(next, protocol)).rejects.toMatchObject(unsupported)
  })

  test('the older node rejects the newer number, and values that only resemble a served number', async () => {
    for (const protocol of [PROTOCOL + 1, String(PROTOCOL), [PROTOCOL]])
      await expect(at(shared.node, protocol)).rejects.toMatchObject(unsupported)
  })

  test("devices of both versions receive each other's changes, at whichever node they are", async () => {
    await using older = await at(shared.node, PROTOCOL)
    await using moved = await at(next, PROTOCOL)
    await using newer = await at(next, PROTOCOL + 1)
    for (const writer of [older, moved, newer]) {
      const { seq } = await writer.done('update', { patch: { written_by: newId() } })
      for (const device of [older, moved, newer])
        await device.until('change', (change) => change.seq === seq)
    }
  })
})

describe('a namespace that is no topic', () => {
  test.each(['', 'nothing', 'conversations/x', 'admin'])('is rejected: /%s', async (name) => {
    expect(await refusal(name, alice.cookie)).toBeDefined()
    await using device = await alice.device('account')
    expect(device.connected).toBe(true)
  })

  test("can't be reached by polling, because there is no such transport", async () => {
    await expect(alice.device('account', { transports: ['polling'] })).rejects.toBeInstanceOf(
      Refused,
    )
  })
})

describe('too many handshakes', () => {
  let node: TestNode
  beforeAll(async () => {
    const gateway = { ...gatewaySettings, joins: { rate: 1, burst: 3 } }
    node = await startNode(shared.database, { options: { gateway } })
  })
  afterAll(() => node.stop())

  test('of one user are rate_limited, with the time to wait; those of other users are accepted', async () => {
    const eager = (await signUp(shared.node, 'eager')).at(node)
    const devices = await Promise.all([1, 2, 3].map(() => eager.device('account')))
    const data = { code: 'rate_limited', status: 429, retry_after_ms: expect.any(Number) }
    await expect(eager.device('account')).rejects.toMatchObject({ data })
    await using device = await alice.at(node).device('account')
    expect(device.connected).toBe(true)
    for (const one of devices) one.close()
  })
})
