// Who may make an account: SIGN_UP.
import { describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { hashOf, newSecret } from '../../realtime/commands/secret-links.ts'
import { openDatabase } from '../../realtime/store/database.ts'
import { insertInvitation } from '../../realtime/store/invitations.ts'
import { setApproved } from '../../realtime/store/users.ts'
import { freshDatabase } from '../harness/database.ts'
import { startNode, type TestNode } from '../harness/node.ts'
import { request, signIn } from '../harness/person.ts'
import { sentCommands } from '../harness/sent-commands.ts'

const sent = sentCommands()
const password = 'correct horse'
const name = () => `u${newId().slice(-10)}`
const register = (node: TestNode, username: string, more: object = {}) =>
  request(`${node.url}/auth/register`, 'POST', { username, password, ...more })
const methods = async (node: TestNode) =>
  (await request(`${node.url}/auth/methods`, 'GET')).body.sign_up

/** Nodes of one database that let people in in different ways, and somebody who has an account. */
async function nodes() {
  const fresh = freshDatabase()
  const database = await openDatabase(fresh.url)
  const open = await startNode(fresh)
  const taken = name()
  expect((await register(open, taken)).status).toBe(201)
  return {
    url: fresh.url,
    database,
    open,
    taken,
    with: (signUp: 'invite' | 'approval' | 'closed') => startNode(fresh, { signUp }),
    async [Symbol.asyncDispose]() {
      await open.stop()
      await database.close()
      await fresh[Symbol.asyncDispose]()
    },
  }
}

describe('SIGN_UP', () => {
  test('invite needs an invitation, which makes as many accounts as it says; without one, a free and a taken name get the same response', async () => {
    await using all = await nodes()
    await using node = await all.with('invite')
    expect([await methods(all.open), await methods(node)]).toEqual(['open', 'invite'])
    const secret = newSecret()
    const lookups = () => sent.filter((command) => command === 'find users').length
    const before = lookups()
    const now = Date.now()
    const invitation = { _id: hashOf(secret), uses: 2, created_at: new Date(now) }
    await insertInvitation(all.database, { ...invitation, expires_at: new Date(now + 600_000) })
    for (const given of [
      {},
      { invitation: '' },
      { invitation: newSecret() },
      { invitation: invitation._id },
    ]) {
      const [free, taken] = [
        await register(node, name(), given),
        await register(node, all.taken, given),
      ]
      expect(free).toMatchObject({ status: 422, body: { issues: [{ path: 'invitation' }] } })
      expect([taken.status, taken.body]).toEqual([free.status, free.body])
      const names = ({ headers }: typeof free) => [...headers.keys()]
      expect(names(taken)).toEqual(names(free))
    }
    // the time tells nothing either: no name was looked up
    expect(lookups()).toBe(before)
    // a name that is taken doesn't use the invitation up
    expect((await register(node, all.taken, { invitation: secret })).body.code).toBe(
      'username_taken',
    )
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => register(node, name(), { invitation: secret })),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 422, 422, 422])
    await all.database.invitations.updateOne(
      { _id: invitation._id },
      { $set: { uses: 1, expires_at: new Date() } },
    )
    expect((await register(node, name(), { invitation: secret })).status).toBe(422)
    // an account that exists can still sign in
    expect((await signIn(node, all.taken, password)).user.username).toBe(all.taken)
  })

  test('approval lets nobody in before the operator has approved the account', async () => {
    await using all = await nodes()
    await using node = await all.with('approval')
    expect(await methods(node)).toBe('approval')
    const username = name()
    const answer = await register(node, username)
    expect([answer.status, answer.body]).toEqual([202, { waiting: true }])
    expect(answer.headers.getSetCookie()).toEqual([])
    const login = (given: string) =>
      request(`${node.url}/auth/login`, 'POST', { username, password: given })
    expect((await login(password)).body).toMatchObject({
      code: 'invalid_credentials',
      reason: 'awaiting_approval',
    })
    expect((await login('a wrong guess')).body.reason).toBeUndefined()
    const user = await all.database.users.findOne({ username })
    await setApproved(all.database, user!._id)
    expect((await login(password)).status).toBe(200)
  })

  test('closed makes no account, whatever is sent', async () => {
    await using all = await nodes()
    await using node = await all.with('closed')
    expect(await methods(node)).toBe('closed')
    const [free, taken] = [await register(node, name()), await register(node, all.taken)]
    expect(free).toMatchObject({ status: 404, body: { code: 'not_found' } })
    expect(taken.body).toEqual(free.body)
    expect(await all.database.users.countDocuments()).toBe(1)
    expect((await signIn(node, all.taken, password)).user.username).toBe(all.taken)
  })

  test.each([
    ['approval', true],
    ['invite', true],
    ['closed', false],
  ] as const)('%s holds for new users of the host app too', async (signUp, isMade) => {
    await using all = await nodes()
    const trustedProxy = { userHeader: 'x-user', secrets: ['a secret of the proxy that is long'] }
    const node = await startNode({ url: all.url }, { signUp, trustedProxy })
    try {
      const subject = newId()
      const ask = () =>
        request(`${node.url}/users/me`, 'GET', undefined, {
          'x-user': subject,
          'lockstep-proxy-secret': trustedProxy.secrets[0]!,
        })
      expect((await ask()).status).toBe(401)
      const user = await all.database.users.findOne({ 'host.subject': subject })
      expect(user?.waiting).toBe(isMade ? true : undefined)
      if (!user) return
      await setApproved(all.database, user._id)
      expect((await ask()).status).toBe(200)
    } finally {
      await node.stop()
    }
  })
})
