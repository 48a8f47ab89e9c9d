// Sign-ins at an OpenID Connect provider over real HTTP.
import { parseSetCookie } from 'cookie'
import { beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { httpSettings, type HttpSettings } from '../../realtime/http/settings.ts'
import type { Database } from '../../realtime/store/database.ts'
import type { TestNode } from '../harness/node.ts'
import { request, signIn, signUp } from '../harness/person.ts'
import { expectProblem } from '../rest/http-fixture.ts'
import { setUpOidc, origin } from './oidc-setup.ts'
import { client, OidcProvider } from './oidc-provider.ts'

const setup = setUpOidc()
let provider: OidcProvider
let node: TestNode
let database: Database
beforeAll(() => {
  ;({ provider, node, database } = setup)
})

const accounts = () => database.users.countDocuments()

describe('signing in at the provider', () => {
  test('makes an account the first time, finds it again, and leaves no sign-in cookie', async () => {
    const [laptop, phone] = [setup.browser(), setup.browser()]
    expect(await laptop.signIn()).toBe('/app')
    const user = await laptop.me()
    expect(user).toMatchObject({
      username: String(provider.user.preferred_username).toLowerCase(),
      passwordless: true,
    })
    expect([...laptop.cookies.keys()]).toEqual(['lockstep_session'])
    provider.user = { ...provider.user, preferred_username: 'another-name' }
    expect(await phone.signIn()).toBe('/app')
    expect(await phone.me()).toEqual(user)
    expect((await phone.get('/users/me/sessions')).body.items).toHaveLength(2)
  })

  test('ends the session that its browser had before', async () => {
    const [laptop, phone] = [setup.browser(), setup.browser()]
    for (const browser of [laptop, phone]) expect(await browser.signIn()).toBe('/app')
    const sessions = async () =>
      (await phone.get('/users/me/sessions')).body.items as { id: string; current: boolean }[]
    const before = await sessions()
    expect(await laptop.signIn()).toBe('/app')
    const after = await sessions()
    expect(after).toHaveLength(2)
    const [ended] = before.filter(({ id }) => !after.some((other) => other.id === id))
    expect(ended).toMatchObject({ current: false })
  })

  test('asks for a code with PKCE, state and nonce, and comes back to the public origin', async () => {
    const browser = setup.browser()
    const { headers, status } = await browser.get('/auth/oidc')
    expect(status).toBe(303)
    expect(headers.get('cache-control')).toBe('no-store')
    const asked = Object.fromEntries(new URL(headers.get('location')!).searchParams)
    expect(asked).toMatchObject({
      client_id: client.clientId,
      response_type: 'code',
      code_challenge_method: 'S256',
    })
    expect(asked).toMatchObject({
      redirect_uri: `${origin}/auth/oidc/callback`,
      scope: 'openid profile email',
    })
    for (const name of ['state', 'nonce', 'code_challenge'])
      expect(asked[name]!.length).toBeGreaterThan(40)
    const [cookie] = headers.getSetCookie().map((line) => parseSetCookie(line))
    expect(cookie).toMatchObject({
      httpOnly: true,
      secure: true,
      sameSite: 'lax',
      path: '/auth/oidc',
      maxAge: 600,
    })
    for (const name of ['state', 'nonce']) expect(cookie!.value).not.toContain(asked[name])
  })

  test('comes back to the allowed origin at which it began', async () => {
    await using both = await setup.start({
      publicOrigins: [origin, 'http://127.0.0.1:1', 'https://b.example'],
      trustProxy: true,
    })
    const asked = async (host: string) => {
      const { headers } = await request(`${both.url}/auth/oidc`, 'GET', undefined, {
        'x-forwarded-host': host,
      })
      return new URL(headers.get('location')!).searchParams.get('redirect_uri')
    }
    expect(await asked('b.example')).toBe('https://b.example/auth/oidc/callback')
    expect(await asked('evil.example')).toBe(`${origin}/auth/oidc/callback`)
  })

  test('never takes over an account of the same name that has a password or another subject', async () => {
    await using both = await setup.start({ withoutPasswords: false })
    const alice = await signUp(both, 'alice')
    provider.user.preferred_username = alice.user.username
    const names: string[] = []
    for (const sub of [newId(), newId()]) {
      provider.user = { ...provider.user, sub }
      const browser = setup.browser(both)
      expect(await browser.signIn()).toBe('/app')
      names.push((await browser.me())!.username)
    }
    for (const name of names)
      expect(name).toMatch(new RegExp(`^${alice.user.username}-[0-9a-f]{6}$`))
    expect(new Set(names).size).toBe(2)
    expect((await signIn(both, alice.user.username, alice.password)).user).toEqual(alice.user)
  })

  test('asks for a name if the token has none', async () => {
    provider.user = { sub: newId() }
    provider.userinfo = { email: `Jürgen.${newId()}@example.org` }
    const browser = setup.browser()
    await browser.signIn()
    expect((await browser.me())!.username).toBe(
      String(provider.userinfo.email).toLowerCase().replace('ü', 'u').split('@')[0],
    )
    provider.user = { sub: newId() }
    provider.unreachable = '/userinfo'
    expect(await browser.signIn()).toBe('/app')
    expect((await browser.me())!.username).toMatch(/^user/)
  })

  test('by one new user on two nodes at once makes one account', async () => {
    await using other = await setup.start()
    const browsers = [setup.browser(), setup.browser(other), setup.browser(), setup.browser(other)]
    const backs = await Promise.all(browsers.map((browser) => browser.fetchCode()))
    const before = await accounts()
    expect(await Promise.all(browsers.map((browser, i) => browser.next(backs[i]!)))).toEqual(
      Array(4).fill('/app'),
    )
    expect(
      new Set(await Promise.all(browsers.map(async (browser) => (await browser.me())!.id))).size,
    ).toBe(1)
    expect(await accounts()).toBe(before + 1)
  })

  test('can be finished by another node, because every node has the secrets', async () => {
    await using other = await setup.start()
    const browser = setup.browser()
    const back = await browser.fetchCode()
    expect(await browser.next(back.replace(origin, other.url))).toBe('/app')
  })

  test.each([
    ['that takes a secret in the body only', ['client_secret_post'], client.clientSecret],
    ['of a public client', ['none'], undefined],
  ])('works at a provider %s', async (_what, ways, clientSecret) => {
    provider.authMethods = ways
    await using another = await setup.start({
      oidc: { issuer: provider.issuer, clientId: client.clientId, clientSecret },
    })
    expect(await setup.browser(another).signIn()).toBe('/app')
  })
})

test('is limited per address', async () => {
  const http: HttpSettings = { ...httpSettings, addressRate: { rate: 0.01, burst: 2 } }
  await using strict = await setup.start({ options: { http } })
  const statuses: number[] = []
  for (let i = 0; i < 4; i++) statuses.push((await setup.browser(strict).get('/auth/oidc')).status)
  expect(statuses).toEqual([303, 303, 429, 429])
})

describe('a provider that is unreachable', () => {
  test('stops nothing else, is named on the sign-in page, and is asked again', async () => {
    const port = await OidcProvider.start().then(async (gone) => {
      const { port } = gone
      await gone[Symbol.asyncDispose]()
      return port
    })
    await using late = await setup.start({
      oidc: { issuer: `http://127.0.0.1:${port}`, ...client },
    })
    expect((await request(`${late.url}/readyz`, 'GET')).status).toBe(200)
    const browser = setup.browser(late)
    expect(await browser.next('/auth/oidc')).toBe('/app/sign-in?failed=unavailable')
    await using _back = await OidcProvider.start(port)
    expect(await browser.signIn()).toBe('/app')
  })

  test('during a sign-in ends it as unavailable', async () => {
    await setup.browser().signIn()
    const browser = setup.browser()
    const back = await browser.fetchCode()
    provider.unreachable = '/token'
    expect(await browser.next(back)).toBe('/app/sign-in?failed=unavailable')
  })

  test('leaves signed-in users signed in', async () => {
    const browser = setup.browser()
    await browser.signIn()
    provider.unreachable = true
    expect(await browser.me()).toMatchObject({ passwordless: true })
  })

  test('with metadata of another issuer is not trusted', async () => {
    await using mistaken = await setup.start({
      oidc: { issuer: `${provider.issuer}/tenant`, ...client },
    })
    expect(await setup.browser(mistaken).next('/auth/oidc')).toMatch(/^\/app\/sign-in\?failed=/)
  })
})

describe('the sign-in methods', () => {
  test('are public: the provider alone, or together with passwords', async () => {
    const providers = [{ name: 'Example', href: '/auth/oidc' }]
    expect((await setup.browser().get('/auth/methods')).body).toEqual({
      password: false,
      passkeys: true,
      providers,
      sign_up: 'open',
    })
    await using both = await setup.start({ withoutPasswords: false })
    expect((await setup.browser(both).get('/auth/methods')).body).toEqual({
      password: true,
      passkeys: true,
      providers,
      sign_up: 'open',
    })
  })

  test('do not include the password routes if the provider is the only method', async () => {
    const credentials = { username: `someone-${newId()}`, password: 'correct horse' }
    for (const path of ['/auth/register', '/auth/login'])
      expectProblem(await request(node.url + path, 'POST', credentials), 'not_found', 404)
  })

  test('are passwords only by default', async () => {
    await using usual = await setup.start({
      oidc: undefined,
      withoutPasswords: undefined,
      publicOrigins: [],
    })
    expect((await setup.browser(usual).get('/auth/methods')).body).toEqual({
      password: true,
      passkeys: true,
      providers: [],
      sign_up: 'open',
    })
    for (const path of ['/auth/oidc', '/auth/oidc/callback?code=x&state=y'])
      expectProblem(await request(usual.url + path, 'GET'), 'not_found', 404)
  })
})
