// Use cases of the account that are interrupted between their steps, or that meet another one at
// the worst moment.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import { topics } from '@lockstep/protocol/topics'
import { createPasswords, type Passwords } from '../../realtime/auth/passwords.ts'
import type { SessionSockets } from '../../realtime/commands/session-sockets.ts'
import {
  CHEAP_PASSWORD_COST,
  createAccountFixture,
  failingOnce,
  password,
  requestOf,
  signUp,
  visitor,
  type AccountFixture,
} from './account-fixture.ts'

let deps: AccountFixture
beforeAll(async () => {
  deps = await createAccountFixture()
})
afterAll(() => deps[Symbol.asyncDispose]())

const next = 'a new horse'

/** Passwords whose check waits, after it is done, until the test lets it go on. */
function gated() {
  const { promise: checked, resolve: atGate } = Promise.withResolvers<void>()
  const { promise: opened, resolve: open } = Promise.withResolvers<void>()
  const passwords = createPasswords(CHEAP_PASSWORD_COST)
  const waiting: Passwords = {
    ...passwords,
    async verify(...args) {
      const right = await passwords.verify(...args)
      atGate()
      await opened
      return right
    },
  }
  return { waiting, checked, open }
}

describe('a sign-in with the old password', () => {
  test.each(['is changed', 'goes with its account'])(
    'fails while the password %s',
    async (what) => {
      const alice = await signUp(deps.account)
      const { waiting, checked, open } = gated()
      const late = deps.with({ passwords: waiting })
      const outcome = late
        .login(visitor(), { username: alice.user.username, password })
        .catch((error: unknown) => error)
      await checked
      if (what === 'is changed')
        await deps.account.changePassword(requestOf(alice), '10.0.0.2', {
          current: password,
          next,
        })
      else await deps.account.remove(requestOf(alice), '10.0.0.2', password)
      open()
      expect(await outcome).toMatchObject({
        code: what === 'is changed' ? 'invalid_credentials' : expect.any(String),
      })
      const left = await deps.database.sessions
        .find({ user_id: alice.user.id, replaced_by: { $exists: false } })
        .toArray()
      expect(left).toHaveLength(what === 'is changed' ? 1 : 0)
      expect(left.map(({ confirmed_at }) => confirmed_at)).not.toContain(undefined)
    },
  )
})

describe('repeating a request that was interrupted', () => {
  test('logs a rename that was written but not logged', async () => {
    const alice = await signUp(deps.account)
    const username = `renamed-${newId()}`
    const request = requestOf(alice)
    const failing = deps.with({ log: failingOnce(deps.log, 1) })
    await expect(failing.rename(request, username)).rejects.toThrow('went away')
    expect((await deps.account.me(request)).user.username).toBe(username)
    expect(await deps.accountOps(alice.user.id)).toEqual(['session_created'])
    for (let i = 0; i < 2; i++)
      expect(await deps.account.rename(request, username)).toMatchObject({ username })
    expect(await deps.accountOps(alice.user.id)).toEqual(['session_created', 'renamed'])
  })

  test('logs a revocation whose session has been deleted', async () => {
    const alice = await signUp(deps.account)
    const phone = await deps.account.login(visitor(), { username: alice.user.username, password })
    const request = requestOf(alice)
    const failing = deps.with({ log: failingOnce(deps.log) })
    const command = { session_id: phone.session.id }
    await expect(failing.revoke(request, command)).rejects.toThrow('went away')
    expect(await deps.database.sessions.findOne({ _id: phone.session.id })).toBeNull()
    expect(await deps.account.revoke(request, command)).toMatchObject({
      changed: true,
      seq: 3,
      version: 2,
    })
    expect(await deps.account.revoke(request, command)).toMatchObject({
      changed: false,
      seq: 3,
      version: 2,
    })
    expect(await deps.accountOps(alice.user.id)).toEqual([
      'session_created',
      'session_created',
      'session_revoked',
    ])
  })

  test('ends the other sessions after a change of the password', async () => {
    const alice = await signUp(deps.account)
    const phone = await deps.account.login(visitor(), { username: alice.user.username, password })
    let calls = 0
    const devices: SessionSockets = {
      disconnectSessions() {
        if (++calls === 1) throw new Error('the process died')
      },
      renewSockets: () => undefined,
      onlineSessions: () => Promise.resolve(new Set()),
    }
    const dying = deps.with({ devices })
    const request = requestOf(alice)
    await expect(
      dying.changePassword(request, '10.0.0.1', { current: password, next }),
    ).rejects.toThrow('died')
    await dying.changePassword(request, '10.0.0.1', { current: password, next })
    expect(await deps.database.sessions.findOne({ _id: phone.session.id })).toBeNull()
    expect((await deps.accountOps(alice.user.id)).slice(-3)).toEqual([
      'password_changed',
      'session_created',
      'session_revoked',
    ])
    await deps.account.login(visitor(), { username: alice.user.username, password: next })
  })

  test.each(Array.from(topics.keys()))(
    'finishes a deletion that had closed %i topics',
    async (closed) => {
      const alice = await signUp(deps.account)
      const failing = deps.with({ log: failingOnce(deps.log, closed) })
      await expect(failing.remove(requestOf(alice), '10.0.0.1', password)).rejects.toThrow(
        'went away',
      )
      await expect(
        deps.account.login(visitor(), { username: alice.user.username, password }),
      ).rejects.toMatchObject({
        code: 'invalid_credentials',
      })
      await deps.account.finishDeletions()
      expect(await deps.database.users.findOne({ _id: alice.user.id })).toBeNull()
      const entries = await deps.database.changes.find({ user_id: alice.user.id }).toArray()
      expect(entries.map(({ op }) => op)).toEqual(topics.map(() => 'closed'))
      expect(entries.map(({ topic }) => topic).toSorted()).toEqual(topics.toSorted())
    },
  )
})

test('deletions that can’t be finished yet don’t delay others and are finished later', async () => {
  const people = [
    await signUp(deps.account),
    await signUp(deps.account),
    await signUp(deps.account),
  ]
  for (const one of people) {
    const failing = deps.with({ log: failingOnce(deps.log) })
    await expect(failing.remove(requestOf(one), '10.0.0.1', password)).rejects.toThrow('went away')
  }
  const left = () =>
    deps.database.users.countDocuments({ _id: { $in: people.map(({ user }) => user.id) } })
  await expect(deps.with({ log: failingOnce(deps.log) }).finishDeletions()).rejects.toThrow(
    'went away',
  )
  expect(await left()).toBe(1)
  await deps.account.finishDeletions()
  expect(await left()).toBe(0)
})

test('a deletion ends the sessions after the entry that tells the devices, so that no session check overtakes it', async () => {
  const alice = await signUp(deps.account)
  const log: AccountFixture['log'] = {
    ...deps.log,
    async append(command) {
      expect(await deps.database.sessions.countDocuments({ user_id: alice.user.id })).toBe(1)
      return deps.log.append(command)
    },
  }
  await deps.with({ log }).remove(requestOf(alice), '10.0.0.1', password)
  expect(await deps.database.sessions.countDocuments({ user_id: alice.user.id })).toBe(0)
})

test('content that a stalled node writes back is removed later', async () => {
  const alice = await signUp(deps.account)
  await deps.account.remove(requestOf(alice), '10.0.0.1', password)
  await deps.log.stop()
  const _id = `${alice.user.id}:${newId()}`
  await deps.database.conversations.insertOne({ _id, user_id: alice.user.id } as never)
  await deps.account.finishDeletions()
  expect(await deps.database.conversations.findOne({ _id })).toBeNull()
})

test('a password is hashed again at the next sign-in after the cost was raised', async () => {
  const alice = await signUp(deps.account)
  const read = async () => (await deps.database.users.findOne({ _id: alice.user.id }))!
  expect((await read()).password_hash).toContain(`ln=${CHEAP_PASSWORD_COST},`)
  const dearer = deps.with({ passwords: createPasswords(CHEAP_PASSWORD_COST + 1) })
  await dearer.login(visitor(), { username: alice.user.username, password })
  expect(await read()).toMatchObject({
    password_hash: expect.stringContaining(`ln=${CHEAP_PASSWORD_COST + 1},`),
    version: 1,
  })
  await deps.account.login(visitor(), { username: alice.user.username, password })
})

test('two simultaneous requests that sign up with one name leave one account with all its heads', async () => {
  const username = `twin-${newId()}`
  const outcomes = await Promise.allSettled(
    [1, 2, 3].map(() => deps.account.register(visitor(), { username, password })),
  )
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  const users = await deps.database.users.find({ username }).toArray()
  expect(users).toHaveLength(1)
  const heads = await deps.database.heads.find().toArray()
  for (const user_id of new Set(heads.map((head) => head.user_id)))
    if (!heads.some((head) => head.user_id === user_id && head.closed))
      expect(await deps.database.users.findOne({ _id: user_id })).not.toBeNull()
})

test('a user who signs in on more than 100 devices is signed out on the oldest, and the others are told', async () => {
  const alice = await signUp(deps.account)
  const ended: string[] = []
  const devices: SessionSockets = {
    disconnectSessions: (ids) => void ended.push(...ids),
    renewSockets: () => undefined,
    onlineSessions: () => Promise.resolve(new Set()),
  }
  const account = deps.with({ devices })
  const again = () => account.login(visitor(), { username: alice.user.username, password })
  const second = await again()
  for (let i = 2; i < limits.sessionsPerUser; i++) await again()
  expect(ended).toEqual([])
  const newest = await again()
  expect(ended).toEqual([alice.session.id])
  await Promise.all([again(), again()])
  expect(ended).toContain(second.session.id)
  expect(new Set(ended).size).toBe(3)
  const { items } = await account.listSessions(requestOf(newest))
  expect(items).toHaveLength(limits.sessionsPerUser)
  const told = await deps.database.changes
    .find({ user_id: alice.user.id, op: 'session_revoked' })
    .toArray()
  expect(told.map(({ entity_id }) => entity_id).toSorted()).toEqual([...new Set(ended)].toSorted())
  await expect(account.me(requestOf(alice))).rejects.toMatchObject({ code: 'unauthenticated' })
}, 60_000)
