// What operators do to accounts by command, beside a node that serves: it takes effect at once, and
// is kept in an audit of its own.
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { request, signIn, signUp } from '../harness/person.ts'
import { appOf } from '../attacks/security-requests.ts'
import { operatorFixture } from './operator-fixture.ts'

const { shared, lockstep, collection } = operatorFixture()

const login = (username: string, password: string) =>
  request(`${shared.node.url}/auth/login`, 'POST', { username, password })
/** The status of what a program asks with this token. */
const byToken = async (token: string): Promise<number> =>
  (
    await request(`${shared.node.url}/users/me`, 'GET', undefined, {
      authorization: `Bearer ${token}`,
    })
  ).status
const tokenOf = (link: unknown) => String(link).split('#')[1]!

test('lockstep users lock signs an account out at once and keeps it out, until it is unlocked', async () => {
  const alice = await signUp(shared.node, 'alice')
  const name = alice.user.username
  const devices = [await alice.device('account'), await (await alice.signIn()).device('agents')]
  const { token } = await alice.ask('createToken', { body: { name: 'Program' } })
  const { code, lines } = await lockstep('users', 'lock', name)
  expect([code, lines]).toMatchObject([0, [{ id: alice.user.id, username: name, locked: true }]])
  await Promise.all(devices.map((device) => device.disconnected(3_000)))
  expect((await alice.rest('GET', '/users/me')).status).toBe(401)
  await expect(alice.device('account')).rejects.toMatchObject({
    data: { code: 'unauthenticated' },
  })
  expect(await byToken(token)).toBe(401)
  // only somebody who knows the password learns that the account is locked
  expect(await login(name, alice.password)).toMatchObject({
    status: 401,
    body: {
      code: 'invalid_credentials',
      reason: 'locked',
      detail: expect.stringMatching(/is locked/) as string,
    },
  })
  const guess = await login(name, 'a wrong guess')
  expect([guess.status, guess.body.reason]).toEqual([401, undefined])
  expect((await lockstep('users', 'unlock', name)).code).toBe(0)
  expect((await alice.signIn()).user).toEqual(alice.user)
  expect(await byToken(token)).toBe(200)
})

test('lockstep users reset-link gives a link for a new password: once, within an hour, hashed where it is stored', async () => {
  const [alice, bob] = [await signUp(shared.node, 'alice'), await signUp(shared.node, 'bob')]
  const name = alice.user.username
  const old = tokenOf((await lockstep('users', 'reset-link', name)).lines[0]!.link)
  const { link, expires_at } = (await lockstep('users', 'reset-link', name)).lines[0]!
  const token = tokenOf(link)
  expect(link).toMatch(/\/app\/reset-password#/)
  expect(Date.parse(String(expires_at)) - Date.now()).toBeLessThanOrEqual(3_600_000)
  const stored = await collection<{ _id: string }>('users').findOne({ _id: alice.user.id })
  expect(JSON.stringify(stored)).not.toContain(token.split('.')[1])

  const reset = (token: string, password = 'battery staple') =>
    request(`${shared.node.url}/auth/reset`, 'POST', { token, password })
  const ofBob = token.replace(alice.user.id, bob.user.id)
  for (const wrong of [old, ofBob, `${alice.user.id}.`, alice.user.id, '', '.', `${token}x`])
    expect(await reset(wrong), wrong).toMatchObject({
      status: 401,
      body: { code: 'invalid_credentials' },
    })
  expect(await reset(token, 'password')).toMatchObject({
    status: 422,
    body: { issues: [{ path: 'password' }] },
  })
  await using device = await alice.device('account')
  expect((await reset(token)).status).toBe(204)
  await device.disconnected(3_000)
  expect((await reset(token)).status).toBe(401)
  expect((await login(name, alice.password)).status).toBe(401)
  const again = await signIn(shared.node, name, 'battery staple')

  // a link that is too old, or from before the password was changed, is worth nothing
  const late = tokenOf((await lockstep('users', 'reset-link', name)).lines[0]!.link)
  await collection<{ _id: string }>('users').updateOne(
    { _id: alice.user.id },
    { $set: { 'reset.expires_at': new Date() } },
  )
  expect((await reset(late)).status).toBe(401)
  const unused = tokenOf((await lockstep('users', 'reset-link', name)).lines[0]!.link)
  await again.ask('changePassword', {
    body: { current_password: 'battery staple', new_password: 'the newest horse' },
  })
  expect((await reset(unused)).status).toBe(401)
})

test('lockstep users second-step-off lets a user in again who has lost the second step, and tells the devices', async () => {
  const alice = await signUp(shared.node, 'alice')
  const name = alice.user.username
  await appOf(alice)
  expect(await login(name, alice.password)).toMatchObject({
    status: 401,
    body: { code: 'second_step_required' },
  })
  await using device = await alice.device('account')
  const off = await lockstep('users', 'second-step-off', name)
  expect([off.code, off.lines]).toMatchObject([0, [{ id: alice.user.id }]])
  expect(off.lines[0]).not.toHaveProperty('second_step')
  const { data, actor } = await device.until('change', ({ op }) => op === 'security_changed')
  expect([data, actor.device]).toEqual([{ what: 'second_step_off' }, 'Operator'])
  expect((await alice.signIn()).user).toEqual(alice.user)
  expect((await alice.ask('getSecurity')).second_step.on).toBe(false)
  const again = await lockstep('users', 'second-step-off', name)
  expect([again.code, again.told]).toEqual([2, expect.stringMatching(/no second step/)])
  expect((await lockstep('audit', name)).code).toBe(0)
})

test('lockstep users end-sessions and delete do what they say, and users log keeps who did what to whom', async () => {
  const [alice, bob] = [await signUp(shared.node, 'alice'), await signUp(shared.node, 'bob')]
  await using device = await alice.device('account')
  const { token } = await alice.ask('createToken', { body: { name: 'Program' } })
  await lockstep('users', 'end-sessions', alice.user.username)
  await device.disconnected(3_000)
  expect((await alice.rest('GET', '/users/me')).status).toBe(401)
  // a program's token is no sign-in: its user revokes it, or the account is locked
  expect(await byToken(token)).toBe(200)
  const again = await alice.signIn()
  const { items } = await again.ask('listActivity', { query: { topic: 'account' } })
  expect(items.find(({ op }) => op === 'session_revoked')?.actor.device).toBe('Operator')

  await using his = await bob.device('account')
  const { lines } = await lockstep('users', 'delete', bob.user.username)
  expect(lines).toEqual([{ deleted: bob.user.username }])
  await his.disconnected(3_000)
  expect((await login(bob.user.username, bob.password)).status).toBe(401)

  const log = (await lockstep('users', 'log')).lines
  expect(log.slice(-2)).toMatchObject([
    {
      command: 'users end-sessions',
      user_id: alice.user.id,
      operator: expect.any(String) as string,
    },
    { command: 'users delete' },
  ])
  expect(JSON.stringify(log)).not.toContain(bob.user.id)
  const names = (await lockstep('users', 'list')).lines.map(({ username }) => username)
  expect(names).toContain(alice.user.username)
  expect(names).not.toContain(bob.user.username)
})

test('a command that doesn’t exist, or is about a user who doesn’t, does nothing and says why', async () => {
  for (const args of [
    ['lock', newId()],
    ['lock'],
    ['list', 'alice'],
    ['promote', 'alice'],
    ['invite', '--uses', '0'],
    [],
  ]) {
    const { code, told } = await lockstep('users', ...args)
    expect([code, told], args.join(' ')).toEqual([2, expect.stringMatching(/\w/)])
  }
})
