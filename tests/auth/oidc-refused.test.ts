// Invalid sign-ins at a provider: the provider misbehaves, or the browser isn't the one that began
// the sign-in.
import { beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import type { Database } from '../../realtime/store/database.ts'
import type { TestNode } from '../harness/node.ts'
import { request } from '../harness/person.ts'
import { expectProblem } from '../rest/http-fixture.ts'
import { securityLines, setUpOidc, type Browser } from './oidc-setup.ts'
import type { OidcProvider } from './oidc-provider.ts'

const setup = setUpOidc()
let provider: OidcProvider
let node: TestNode
let database: Database
beforeAll(() => {
  ;({ provider, node, database } = setup)
})

const accounts = () => database.users.countDocuments()

describe('an invalid sign-in', () => {
  /**
   * Expects that the sign-in left no session, no account and no sign-in cookie, and one line in the
   * security log.
   */
  async function expectRefused(
    browser: Browser,
    end: Promise<string>,
    reason = 'failed',
    account: string | null = null,
  ): Promise<void> {
    const from = setup.lines.length
    const before = await accounts()
    expect(await end).toBe(`/app/sign-in?failed=${reason}`)
    const refusal = { event: 'sign_in_by_host_refused', address: '127.0.0.1', device: 'Node' }
    expect(securityLines(setup.lines, from)).toMatchObject([
      { ...refusal, account, reason: account === null ? reason : 'unauthenticated' },
    ])
    expect([...browser.cookies.keys()]).toEqual([])
    expect(await accounts()).toBe(before)
  }
  const hour = 3600
  const now = () => Math.floor(Date.now() / 1000)

  test.each<[string, (claims: Record<string, unknown>) => Record<string, unknown>]>([
    ['a nonce of another sign-in', (claims) => ({ ...claims, nonce: 'of another' })],
    ['no nonce', ({ nonce: _nonce, ...claims }) => claims],
    ['an end in the past', (claims) => ({ ...claims, iat: now() - 2 * hour, exp: now() - hour })],
    ['a foreign issuer', (claims) => ({ ...claims, iss: 'https://foreign.example' })],
    ['another client as its audience', (claims) => ({ ...claims, aud: 'another' })],
    ['no subject', ({ sub: _sub, ...claims }) => claims],
  ])('is refused for %s', async (_what, twist) => {
    provider.changeClaims = twist
    const browser = setup.browser()
    await expectRefused(browser, browser.signIn())
  })

  test('is refused for a signature of another key', async () => {
    provider.signsWithUnknownKey = true
    const browser = setup.browser()
    await expectRefused(browser, browser.signIn())
  })

  test.each([
    ['another state', (back: URL) => back.searchParams.set('state', 'another')],
    ['no state', (back: URL) => back.searchParams.delete('state')],
    [
      'two states',
      (back: URL) => back.searchParams.append('state', back.searchParams.get('state')!),
    ],
    ['another issuer', (back: URL) => back.searchParams.set('iss', 'https://foreign.example')],
    ['a code that was never given', (back: URL) => back.searchParams.set('code', newId())],
    ['nothing at all', (back: URL) => (back.search = '')],
  ])('is refused when the browser comes back with %s', async (_what, change) => {
    const browser = setup.browser()
    const back = new URL(await browser.fetchCode())
    change(back)
    await expectRefused(browser, browser.next(back.href))
  })

  test('is refused in a browser that did not begin it, has begun another one, or is late', async () => {
    const [alice, stranger, other] = [setup.browser(), setup.browser(), setup.browser()]
    const back = await alice.fetchCode()
    await expectRefused(stranger, stranger.next(back))
    await other.fetchCode()
    await expectRefused(other, other.next(back))
    stranger.cookies.set('lockstep_oidc', `${alice.cookies.get('lockstep_oidc')!.slice(0, -4)}AAAA`)
    await expectRefused(stranger, stranger.next(back))
  })

  test('is refused if its verifier belongs to another sign-in', async () => {
    const [alice, mallory] = [setup.browser(), setup.browser()]
    const stolen = new URL(await alice.fetchCode()).searchParams.get('code')!
    const own = new URL(await mallory.fetchCode())
    own.searchParams.set('code', stolen)
    await expectRefused(mallory, mallory.next(own.href))
    provider.acceptsAnyVerifier = true // and without PKCE by the nonce
    const again = new URL(await mallory.fetchCode())
    again.searchParams.set('code', new URL(await alice.fetchCode()).searchParams.get('code')!)
    await expectRefused(mallory, mallory.next(again.href))
  })

  test('is refused when it is repeated', async () => {
    const browser = setup.browser()
    const back = await browser.fetchCode()
    const way = browser.cookies.get('lockstep_oidc')!
    expect(await browser.next(back)).toBe('/app')
    const thief = setup.browser()
    await expectRefused(thief, thief.next(back))
    thief.cookies.set('lockstep_oidc', way)
    await expectRefused(thief, thief.next(back))
  })

  test('is cancelled if access is denied at the provider and failed for its other errors', async () => {
    const browser = setup.browser()
    provider.errorCode = 'access_denied'
    await expectRefused(browser, browser.signIn(), 'cancelled')
    provider.errorCode = 'login_required'
    await expectRefused(browser, browser.signIn())
  })

  test('can’t use the sign-in cookie as a session, nor a session as the sign-in cookie', async () => {
    const browser = setup.browser()
    const back = await browser.fetchCode()
    const way = browser.cookies.get('lockstep_oidc')!
    const asSession = await request(`${node.url}/users/me`, 'GET', undefined, {
      cookie: `lockstep_session=${way}`,
    })
    expectProblem(asSession, 'unauthenticated', 401)
    await browser.next(back)
    const session = browser.cookies.get('lockstep_session')!
    const asWay = await request(`${node.url}/auth/oidc/callback?code=x&state=y`, 'GET', undefined, {
      cookie: `lockstep_oidc=${session}`,
    })
    expect(asWay.headers.get('location')).toBe('/app/sign-in?failed=failed')
  })

  test('to an account that is being deleted fails', async () => {
    const browser = setup.browser()
    await browser.signIn()
    const { id, username } = (await browser.me())!
    await database.users.updateOne({ _id: id }, { $set: { closing: true } })
    browser.cookies.clear()
    await expectRefused(browser, browser.signIn(), 'failed', username)
    await database.users.deleteOne({ _id: id })
  })
})

test('the log says why sign-ins failed, and no code, token, nonce, state or secret', () => {
  const text = setup.lines.join('')
  expect(text).toContain('unexpected ID Token \\"nonce\\"')
  expect(text).toContain('access_denied')
  expect(provider.secrets.length).toBeGreaterThan(50)
  for (const secret of provider.secrets) expect(text).not.toContain(secret)
})
