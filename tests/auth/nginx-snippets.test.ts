// The nginx examples of the documents, line by line, in front of a node: on any port, a page signs
// somebody in through them and gets a live socket, and a name that a visitor sends is not believed.
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { freshDatabase } from '../harness/database.ts'
import { Device } from '../harness/device.ts'
import { Nginx, snippetOf } from '../harness/nginx.ts'
import { startNode, type NodeSettings } from '../harness/node.ts'
import { cookieOf, request } from '../harness/person.ts'

const secret = 'a secret between the proxy and the nodes'
/** What a visitor sends in the hope of being believed. */
const pretended = {
  'x-forwarded-for': '6.6.6.6',
  'x-forwarded-host': 'evil.example',
  'x-forwarded-proto': 'gopher',
  'x-user': 'somebody-else',
}

/** A page at this proxy writes over HTTP and follows over a WebSocket. */
async function expectLive(nginx: Nginx, cookie: string, path = ''): Promise<void> {
  const url = nginx.url + path
  const page = { cookie, origin: nginx.origin, ...pretended }
  const headers = { origin: nginx.origin, ...pretended }
  const { hostname, port } = new URL(url)
  await using device = await Device.open(`http://${hostname}:${port}`, cookie, 'conversations', {
    headers,
    path: `${path}/socket.io`,
  })
  const created = await request(`${url}/conversations`, 'POST', { title: 'Through nginx' }, page)
  expect(created.status).toBe(201)
  expect(await device.next('change')).toMatchObject({ op: 'created', entity_id: created.body.id })
  const { data } = await device.done('update', {
    conversation_id: created.body.id,
    title: 'Renamed',
  })
  expect(data).toMatchObject({ title: 'Renamed' })
  const { body } = await request<{ items: { address: string }[] }>(
    `${url}/users/me/sessions`,
    'GET',
    undefined,
    page,
  )
  expect(body.items.map(({ address }) => address)).toEqual(['127.0.0.1'])
  for (const origin of [nginx.origin.replace(/:\d+$/, ''), 'https://evil.example']) {
    const foreign = { ...page, origin }
    expect((await request(`${url}/conversations`, 'POST', {}, foreign)).status).toBe(403)
  }
}

async function signUpThrough(nginx: Nginx, path = '') {
  const credentials = { username: `person-${newId()}`, password: newId() }
  const headers = { origin: nginx.origin, ...pretended }
  return request(`${nginx.url}${path}/auth/register`, 'POST', credentials, headers)
}

test.each<[string, 'http' | 'https', NodeSettings, string]>([
  ['behind http', 'http', {}, ''],
  ['behind https', 'https', {}, ''],
  ['under BASE_PATH', 'https', { basePath: '/chat' }, '/chat'],
])(
  'the nginx example of operating.md works on any port %s',
  async (_what, scheme, settings, path) => {
    await using database = freshDatabase()
    await using node = await startNode(database, { trustProxy: 1, ...settings })
    const text = (await snippetOf('operating.md')).replace('location / {', `location ${path}/ {`)
    await using nginx = await Nginx.from(text, { target: node.url, scheme })
    const { status, headers } = await signUpThrough(nginx, path)
    expect(status).toBe(201)
    expect(headers.getSetCookie().join().includes('Secure')).toBe(scheme === 'https')
    await expectLive(nginx, cookieOf(headers), path)
    // $host loses the port, as the example's comment says: then the node refuses the page
    const careless = text.replaceAll('$http_host', '$host')
    await using other = await Nginx.from(careless, { target: node.url, scheme })
    expect((await signUpThrough(other, path)).body.code).toBe('forbidden_origin')
    if (path) expect((await request(`${nginx.url}/healthz`, 'GET')).status).toBe(404)
  },
)

test('the nginx example of host-users.md signs in whom auth_request names, on any port, and nobody else', async () => {
  await using database = freshDatabase()
  const trustedProxy = { userHeader: 'x-user', nameHeader: 'x-name', secrets: [secret] }
  await using node = await startNode(database, { trustedProxy, trustProxy: 1 })
  const text = (await snippetOf('host-users.md')).replace('…', secret)
  let subject = 'alice-of-the-host'
  await using nginx = await Nginx.from(text, {
    target: node.url,
    scheme: 'https',
    authorize: () => ({ 'x-user-id': subject }),
  })
  const me = (headers = {}) =>
    request(`${nginx.url}/users/me`, 'GET', undefined, { ...pretended, ...headers })
  const first = await me()
  expect(first).toMatchObject({ status: 200, body: { user: { username: subject } } })
  const cookie = cookieOf(first.headers)
  await expectLive(nginx, cookie)
  subject = ''
  expect((await me()).status).toBe(401)
  expect((await me({ cookie })).status).toBe(401)
  expect((await me({ 'lockstep-proxy-secret': secret })).status).toBe(401)
})
