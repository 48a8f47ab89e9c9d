// A visitor's browser, a proxy and a node: which scheme and host count, over HTTP and for sockets.
import type { IncomingMessage } from 'node:http'
import { beforeAll, describe, expect, test } from 'vitest'
import { createProxyTrust } from '../../realtime/auth/proxy-trust.ts'
import { freshDatabase } from '../harness/database.ts'
import { Device, type Refused } from '../harness/device.ts'
import { recordingLogger } from '../harness/recording-logger.ts'
import { startNode, type NodeSettings } from '../harness/node.ts'
import { request, signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const page = 'https://chat.example.org:8443'
const forwarded = {
  origin: page,
  'x-forwarded-host': 'chat.example.org:8443',
  'x-forwarded-proto': 'https',
}

/** Whether a page may change something over HTTP, and whether it may open a socket. */
async function tryBoth(person: Person, headers: Record<string, string>) {
  const { status } = await person.rest('PUT', '/users/me/preferences', {}, headers)
  const socket = await Device.open(person.url, person.cookie, 'account', { headers }).then(
    (device) => {
      device.close()
      return 'joined'
    },
    (error: unknown) => (error as Refused).data?.code,
  )
  return { status, socket }
}
const allowed = { status: 200, socket: 'joined' }
const refused = { status: 403, socket: 'forbidden_origin' }

describe.each<[string, NodeSettings['trustProxy']]>([
  ['true', true],
  ['its range', 'loopback'],
  ['its address', '10.1.2.3, 127.0.0.1'],
  ['a number of proxies', 1],
])('a proxy that is trusted by %s', (_what, trustProxy) => {
  const shared = sharedNodes(1, { trustProxy })
  let alice: Person
  beforeAll(async () => {
    alice = await signUp(shared.node, 'alice')
  })

  test.each<[string, Record<string, string>]>([
    ['the host in X-Forwarded-Host', {}],
    ['the first of several hosts', { 'x-forwarded-host': 'chat.example.org:8443, inner.example' }],
    ['the first of several schemes', { 'x-forwarded-proto': 'https,http' }],
    ['no scheme', { 'x-forwarded-proto': '' }],
    ['a scheme that is none', { 'x-forwarded-proto': 'wss' }],
  ])('says which page is the installation’s own: %s', async (_what, headers) => {
    expect(await tryBoth(alice, { ...forwarded, ...headers })).toEqual(allowed)
  })

  test('says which address a visitor has, and what the visitor put before it counts for nothing', async () => {
    const { username } = alice.user
    const addresses = { 'x-forwarded-for': '6.6.6.6, 203.0.113.7' }
    const body = { username, password: alice.password }
    const { headers } = await request(`${alice.url}/auth/login`, 'POST', body, addresses)
    const { items } = await alice.ask('listSessions')
    expect(headers.getSetCookie().join()).toContain('lockstep_session=')
    expect(items.map(({ address }) => address).toSorted()).toEqual(['127.0.0.1', '203.0.113.7'])
  })

  test.each<[string, Record<string, string>]>([
    ['of another host', { origin: 'https://evil.example' }],
    ['of the host that only the proxy uses', { origin: 'https://lockstep.internal' }],
    ['of another port', { origin: 'https://chat.example.org' }],
    ['of another scheme', { origin: 'http://chat.example.org:8443' }],
    ['of a later host', { 'x-forwarded-host': 'inner.example, chat.example.org:8443' }],
    ['of a later scheme', { 'x-forwarded-proto': 'http, https' }],
  ])('leaves a page %s foreign', async (_what, headers) => {
    expect(await tryBoth(alice, { ...forwarded, ...headers })).toEqual(refused)
  })
})

describe('X-Forwarded-Host', () => {
  test.each([false, '10.1.2.3', 'uniquelocal'])(
    'of an address that TRUST_PROXY %s doesn’t trust counts for nothing',
    async (trustProxy) => {
      await using database = freshDatabase()
      await using node = await startNode(database, { trustProxy })
      const alice = await signUp(node, 'alice')
      expect(await tryBoth(alice, forwarded)).toEqual(refused)
      expect(await tryBoth(alice, { ...forwarded, origin: node.url })).toEqual(allowed)
    },
  )

  test('adds nothing to PUBLIC_ORIGIN', async () => {
    await using database = freshDatabase()
    const publicOrigins = ['https://other.example']
    await using node = await startNode(database, { trustProxy: true, publicOrigins })
    const alice = await signUp(node, 'alice')
    expect(await tryBoth(alice, forwarded)).toEqual(refused)
    expect(await tryBoth(alice, { ...forwarded, origin: publicOrigins[0]! })).toEqual(allowed)
  })
})

test('the log names the origin and the host of each refused page', async () => {
  await using database = freshDatabase()
  const { lines, logger } = recordingLogger()
  await using node = await startNode(database, { options: { logger } })
  const alice = await signUp(node, 'alice')
  const origin = 'https://evil.example'
  expect(await tryBoth(alice, { origin })).toEqual(refused)
  const named = { origin, host: new URL(node.url).host }
  const said = lines
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ msg }) => /foreign origin|handshake was refused/.test(String(msg)))
  expect(said).toEqual([expect.objectContaining(named), expect.objectContaining(named)])
})

describe('the addresses in TRUST_PROXY', () => {
  const trusts = (setting: string, remoteAddress: string) => {
    const headers = { host: 'inner', 'x-forwarded-host': 'outer' }
    const request = { headers, socket: { remoteAddress } } as unknown as IncomingMessage
    return createProxyTrust(setting).siteOf(request).host === 'outer'
  }

  test.each([
    ['loopback', ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'], ['10.0.0.1', '::2']],
    ['linklocal', ['169.254.1.1', 'fe80::1'], ['169.253.1.1', '::1']],
    [
      'uniquelocal',
      ['10.0.0.1', '172.31.0.1', '192.168.0.1', 'fd00::1'],
      ['172.32.0.1', '8.8.8.8'],
    ],
    ['10.1.0.0/16, ::5', ['10.1.2.3', '::ffff:10.1.2.3', '::5'], ['10.2.0.1', '::6', '']],
  ])('%s', (setting, inside, outside) => {
    for (const address of inside) expect(trusts(setting, address), address).toBe(true)
    for (const address of outside) expect(trusts(setting, address), address).toBe(false)
  })
})
