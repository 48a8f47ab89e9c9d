// Signing out at a provider and here: the provider says that a sign-in has ended, or a user who
// signs out here is led there. And accounts that an operator links to a provider's user.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { createSecurityChanges } from '../../realtime/commands/security-changes.ts'
import { createWaysIn } from '../../realtime/commands/ways-in.ts'
import { createLog, type Log } from '../../realtime/log/log.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { changeLink } from '../../realtime/operator/link-account.ts'
import { readCommand } from '../../realtime/operator/command-line.ts'
import { insertPasskey } from '../../realtime/store/passkeys.ts'
import { findHostSessionsOf } from '../../realtime/store/sessions.ts'
import { spendToken } from '../../realtime/store/spent-tokens.ts'
import { Device } from '../harness/device.ts'
import { request, signIn, signUp } from '../harness/person.ts'
import { client } from './oidc-provider.ts'
import { origin, securityLines, setUpOidc, type Browser } from './oidc-setup.ts'

const setup = setUpOidc()
let { provider, node, database } = setup
beforeAll(() => {
  ;({ provider, node, database } = setup)
})

const cookieOf = ({ cookies }: Browser) =>
  Array.from(cookies, ([name, value]) => `${name}=${value}`).join('; ')
const signedIn = async (sid?: string) => {
  provider.sid = sid
  const browser = setup.browser()
  expect(await browser.signIn()).toBe('/app')
  return browser
}
const isIn = async (browser: Browser) => (await browser.me()) !== undefined
const tell = (token: string | undefined, at: { url: string } = node) =>
  request(
    `${at.url}/auth/oidc/backchannel-logout`,
    'POST',
    token === undefined ? '' : new URLSearchParams({ logout_token: token }).toString(),
    { 'content-type': 'application/x-www-form-urlencoded' },
  )
const seconds = () => Math.floor(Date.now() / 1000)

describe('a logout token', () => {
  test('ends the sign-in that it names, with its sockets, on every node, and no other', async () => {
    await using other = await setup.start()
    const [laptop, phone] = [await signedIn('sid-1'), await signedIn('sid-2')]
    const socket = await Device.open(node.url, cookieOf(laptop), 'account', {})
    const witness = await Device.open(node.url, cookieOf(phone), 'account', {})
    const from = setup.lines.length
    const { username, id: user_id } = (await laptop.me())!
    const { status, headers } = await tell(provider.logoutToken({ sid: 'sid-1' }), other)
    const by = { address: '127.0.0.1' }
    expect(securityLines(setup.lines, from)).toMatchObject([
      { event: 'session_ended', account: username, user_id, device: 'Sign-in provider', ...by },
      { event: 'signed_out_by_host', ...by },
    ])
    expect([status, headers.get('cache-control')]).toEqual([200, 'no-store'])
    await socket.disconnected()
    expect([await isIn(laptop), await isIn(phone)]).toEqual([false, true])
    expect(await witness.next('change')).toMatchObject({
      op: 'session_revoked',
      actor: { session_id: null, device: 'Sign-in provider' },
    })
    witness.close()
  })

  test('that names the user alone ends all sign-ins of that user at this provider', async () => {
    const [laptop, phone] = [await signedIn('a'), await signedIn()]
    const { user } = provider
    provider.user = { sub: newId() }
    const stranger = await signedIn('a')
    expect((await tell(provider.logoutToken({ sub: user.sub }))).status).toBe(200)
    expect([await isIn(laptop), await isIn(phone), await isIn(stranger)]).toEqual([
      false,
      false,
      true,
    ])
    const unknown = provider.logoutToken({ sub: 'nobody', sid: 'nothing' })
    expect((await tell(unknown)).status).toBe(200)
  })

  test('counts once: replayed on any node, it ends no later sign-in', async () => {
    await using other = await setup.start()
    await signedIn()
    const token = provider.logoutToken({ sub: provider.user.sub })
    expect((await tell(token)).status).toBe(200)
    const again = await signedIn()
    const from = setup.lines.length
    for (const at of [node, other]) expect((await tell(token, at)).status).toBe(400)
    const replayed = { event: 'sign_out_by_host_refused', reason: 'invalid' }
    expect(securityLines(setup.lines, from)).toMatchObject([replayed, replayed])
    expect(await isIn(again)).toBe(true)
  })

  test('that comes while its sign-in is being finished ends it', async () => {
    const sid = newId()
    expect((await tell(provider.logoutToken({ sid }))).status).toBe(200)
    provider.sid = sid
    expect(await setup.browser().signIn()).toBe('/app/sign-in?failed=failed')
    const sub = String(provider.user.sub)
    const [owner] = await database.users.find({ 'host.subject': sub }).toArray()
    const host = { issuer: provider.issuer, subject: sub }
    expect(await findHostSessionsOf(database, owner!._id, host)).toEqual([])
  })

  test.each([
    ['later', 1],
    ['in the same second', 0],
  ])(
    'that names the user alone, and was made %s, ends a sign-in whose session is being stored',
    async (_when, after) => {
      const sub = newId()
      provider.user = { sub }
      let told = 0
      let iat = 0
      provider.changeClaims = (claims) => {
        iat = Number(claims.iat)
        return claims
      }
      provider.beforeUserinfo = async () => {
        told = (await tell(provider.logoutToken({ sub, iat: iat + after }))).status
      }
      const browser = setup.browser()
      expect(await browser.signIn()).toBe('/app/sign-in?failed=failed')
      expect([told, await isIn(browser)]).toEqual([200, false])
      expect(await database.sessions.countDocuments({ 'host.subject': sub })).toBe(0)
      // who signs in again afterwards is in, also if that was within the same second
      provider.beforeUserinfo = () => Promise.resolve()
      provider.changeClaims = (claims) => ({ ...claims, iat: iat + after })
      expect(await browser.signIn()).toBe('/app')
      // one that comes late, of an earlier sign-in, is noted as such
      expect((await tell(provider.logoutToken({ sub, iat: iat - 10 }))).status).toBe(200)
      expect(await browser.signIn()).toBe('/app')
    },
  )

  test.each<[string, (now: number) => Record<string, unknown>, object?]>([
    ['of another issuer', () => ({ iss: 'https://foreign.example' })],
    ['for another client', () => ({ aud: 'another' })],
    ['without an audience', () => ({ aud: undefined })],
    ['without a time', () => ({ iat: undefined })],
    ['of an hour ago', (now) => ({ iat: now - 3600, exp: now + 60 })],
    ['of the future', (now) => ({ iat: now + 3600, exp: now + 7200 })],
    ['that has expired', (now) => ({ iat: now - 200, exp: now - 100 })],
    ['without an id', () => ({ jti: undefined })],
    ['with an empty id', () => ({ jti: '' })],
    ['without events', () => ({ events: undefined })],
    ['with another event', () => ({ events: { 'https://example.org/other': {} } })],
    ['whose event is no object', () => ({ events: { [EVENT]: true } })],
    ['with a nonce, like an id_token', () => ({ nonce: 'x' })],
    ['of nobody', () => ({ sub: undefined })],
    ['of an empty subject', () => ({ sub: ' ' })],
    ['with an empty sign-in beside the user', () => ({ sid: '' })],
    ['of another type', () => ({}), { header: { typ: 'at+jwt' } }],
    ['without a signature', () => ({}), { header: { alg: 'none' } }],
    ['of another key', () => ({}), { foreignKey: true }],
  ])('%s is refused and ends nothing', async (_what, claims, how = {}) => {
    const browser = await signedIn('sid')
    const { sub } = provider.user
    const from = setup.lines.length
    const { status, body } = await tell(provider.logoutToken({ sub, ...claims(seconds()) }, how))
    expect([status, body.error]).toEqual([400, 'invalid_request'])
    expect(securityLines(setup.lines, from)).toMatchObject([
      { event: 'sign_out_by_host_refused', address: '127.0.0.1', reason: 'failed' },
    ])
    expect(await isIn(browser)).toBe(true)
  })

  test('is needed once, in a form, and no id_token passes as one', async () => {
    const browser = await signedIn('sid')
    const idToken = provider.secrets.findLast((secret) => secret.split('.').length === 3)!
    for (const body of [undefined, '', 'nonsense', 'a.b.c', idToken])
      expect((await tell(body)).status).toBe(400)
    const token = provider.logoutToken({ sub: provider.user.sub })
    const twice = `logout_token=${token}&logout_token=${token}`
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    const path = `${node.url}/auth/oidc/backchannel-logout`
    expect((await request(path, 'POST', twice, form)).status).toBe(400)
    expect((await request(path, 'POST', { logout_token: token })).status).toBe(400)
    expect((await request(path, 'POST', 'x'.repeat(20_000), form)).status).toBe(413)
    expect(
      (
        await request(path, 'POST', `logout_token=${token}`, {
          ...form,
          origin: 'https://evil.example',
        })
      ).status,
    ).toBe(403)
    expect(await isIn(browser)).toBe(true)
  })

  test('can be sent again if the keys couldn’t be read', async () => {
    await using late = await setup.start()
    const browser = await signedIn('sid')
    const token = provider.logoutToken({ sub: provider.user.sub })
    provider.unreachable = true
    expect((await tell(token, late)).status).toBe(503)
    provider.unreachable = undefined
    expect((await tell(token, late)).status).toBe(200)
    expect(await isIn(browser)).toBe(false)
  })
})

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'

describe('signing out here', () => {
  const signOut = (browser: Browser, at: { url: string } = node, headers = {}) =>
    request<{ location: string | null }>(`${at.url}/auth/oidc/logout`, 'POST', undefined, {
      cookie: cookieOf(browser),
      ...headers,
    })

  test('leads to the provider with its id_token, and from there to the sign-in page', async () => {
    const browser = await signedIn('sid')
    const idToken = provider.secrets.findLast((secret) => secret.split('.').length === 3)!
    const session = (await browser.get<{ session: object }>('/users/me')).body.session
    expect(session).toMatchObject({ provider: true })
    const kept = await database.sessions.findOne({
      'host.sid': 'sid',
      'host.subject': String(provider.user.sub),
    })
    expect(JSON.stringify(kept)).not.toContain(idToken)
    const { status, body, headers } = await signOut(browser, node, { origin })
    expect(status).toBe(200)
    expect(headers.getSetCookie().join()).toMatch(/lockstep_session=;.*Max-Age=0/i)
    const asked = new URL(body.location!)
    expect(asked.origin + asked.pathname).toBe(`${provider.issuer}/logout`)
    expect(Object.fromEntries(asked.searchParams)).toEqual({
      client_id: client.clientId,
      id_token_hint: idToken,
      post_logout_redirect_uri: `${origin}/app/sign-in?signed-out`,
    })
    expect(await isIn(browser)).toBe(false)
  })

  test('ends there if the provider can’t or must not be asked, or the session is another’s', async () => {
    await using silent = await setup.start({
      oidc: { issuer: provider.issuer, ...client, withoutLogout: true },
    })
    await using both = await setup.start({ withoutPasswords: false })
    expect((await signOut(await signedIn(), silent)).body).toEqual({ location: null })
    const alice = await signUp(both, 'alice')
    const { status, body } = await alice.rest('POST', '/auth/oidc/logout')
    expect([status, body]).toEqual([200, { location: null }])
    expect((await alice.rest('GET', '/users/me')).status).toBe(401)
    await using late = await setup.start()
    const browser = await signedIn()
    provider.unreachable = true
    expect((await signOut(browser, late)).body).toEqual({ location: null })
    expect(await isIn(browser)).toBe(false)
  })
})

test.each([
  ['empty', ''],
  ['blank', ' '],
  ['a line’s end', '\n'],
  ['longer than the standard allows', 'x'.repeat(256)],
])('a subject that is %s is nobody', async (_what, sub) => {
  provider.user = { sub, preferred_username: 'alice' }
  const before = await database.users.countDocuments()
  expect(await setup.browser().signIn()).toBe('/app/sign-in?failed=failed')
  expect(await database.users.countDocuments()).toBe(before)
})

describe('an operator', () => {
  let withoutPasswords = false
  let log: Log
  beforeAll(() => void (log = createLog(database, createLogger('silent'))))
  afterAll(() => log.stop())
  const run = async (...args: string[]) => {
    const told: string[] = []
    const command = readCommand(args) as Parameters<typeof changeLink>[0]
    const deps = {
      ...{ database, issuer: provider.issuer, securityChanges: createSecurityChanges(log) },
      waysIn: createWaysIn({ withoutPasswords }),
    }
    const done = await changeLink(command, deps, { tell: (line) => void told.push(line) })
    return { done, told: told.join('\n') }
  }

  test('links an account that has a password to the provider’s user, and unlinks it', async () => {
    await using both = await setup.start({ withoutPasswords: false })
    const alice = await signUp(both, 'alice')
    const name = alice.user.username
    const sub = String(provider.user.sub)
    expect(await run('link', name, sub)).toMatchObject({ done: true })
    const browser = await signedIn()
    expect(await browser.me()).toEqual(alice.user)
    expect((await signIn(both, name, alice.password)).user).toEqual(alice.user)
    expect(await run('link', alice.user.id, sub)).toMatchObject({ done: true })

    const other = await signUp(both, 'other')
    const taken = await run('link', other.user.username, sub)
    expect(taken).toMatchObject({ done: false, told: expect.stringContaining(name) })
    const twice = await run('link', name, 'another')
    expect(twice).toMatchObject({ done: false, told: expect.stringContaining('Unlink it first') })
    // where passwords are off, the one that the account has is no way in
    withoutPasswords = true
    expect(await run('unlink', name)).toMatchObject({ done: false })
    withoutPasswords = false
    expect(await run('unlink', name)).toMatchObject({ done: true })
    expect(await (await signedIn()).me()).not.toEqual(alice.user)
    const { items } = await alice.ask('listActivity', { query: { topic: 'account' } })
    expect(items.map(({ summary }) => summary)).toEqual(
      expect.arrayContaining([
        'Linked the account to a sign-in provider',
        'Unlinked the account from its sign-in provider',
      ]),
    )
  })

  test('can’t leave an account without a way to sign in, nor link nobody', async () => {
    const browser = await signedIn()
    const { username } = (await browser.me())!
    const refused = await run('unlink', username)
    expect(refused).toMatchObject({ done: false, told: expect.stringContaining('no other way') })
    expect(await isIn(await signedIn())).toBe(true)
    const { _id: user_id } = (await database.users.findOne({ username }))!
    const passkey = { credential_id: newId(), public_key: '', counter: 0, transports: [] }
    const named = { rp_id: 'chat.example.org', synced: false, name: 'Phone', last_used_at: null }
    const document = { user_id, ...passkey, ...named, created_at: new Date() }
    await insertPasskey(database, newId(), document)
    // with a passkey, the account can be entered without the provider
    expect(await run('unlink', username)).toMatchObject({ done: true })
    expect((await database.users.findOne({ username }))!.host).toBeUndefined()
    for (const args of [
      ['link', username],
      ['link', username, ' '],
      ['link', 'nobody-at-all', 'x'],
      ['unlink'],
    ])
      await expect(async () => run(...args)).rejects.toThrow()
  })
})

test('the log says why tokens were refused, and holds none of them', async () => {
  const text = setup.lines.join('')
  expect(text).toContain('a back-channel logout was refused')
  expect(text).toContain('the logout token has a nonce')
  for (const secret of provider.secrets) expect(text).not.toContain(secret)
  expect(await spendToken(database, ['test', 'x'], new Date())).toBe(true)
  expect(await spendToken(database, ['test', 'x'], new Date())).toBe(false)
})
