// What happens when a use case stops between its steps, and when two of them meet at the worst moment.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
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

let rooms: AccountFixture
beforeAll(async () => {
  rooms = await createAccountFixture()
})
afterAll(() => rooms[Symbol.asyncDispose]())

const next = 'a new horse'

/** Passwords whose check, once done, waits until the test goes on. */
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

describe('somebody who signs in with the old password', () => {
  test.each(['is changed', 'goes with its account'])('while it %s stays outside', async (what) => {
    const alice = await signUp(rooms.account)
    const { waiting, checked, open } = gated()
    const late = rooms.with({ passwords: waiting })
    const outcome = late
      .login(visitor(), { username: alice.user.username, password })
      .catch((error: unknown) => error)
    await checked
    if (what === 'is changed')
      await rooms.account.changePassword(requestOf(alice), '10.0.0.2', { current: password, next })
    else await rooms.account.remove(requestOf(alice), '10.0.0.2', password)
    open()
    expect(await outcome).toMatchObject({
      code: what === 'is changed' ? 'invalid_credentials' : expect.any(String),
    })
    const left = await rooms.database.sessions.find({ user_id: alice.user.id }).toArray()
    expect(left.map(({ _id }) => _id)).toEqual(what === 'is changed' ? [alice.session.id] : [])
  })
})

describe('a request that stopped half-way and is repeated', () => {
  test('tells a rename that was written but not told', async () => {
    const alice = await signUp(rooms.account)
    const username = `renamed-${newId()}`
    const request = requestOf(alice)
    const failing = rooms.with({ log: failingOnce(rooms.log, 1) })
    await expect(failing.rename(request, username)).rejects.toThrow('went away')
    expect((await rooms.account.me(request)).user.username).toBe(username)
    expect(await rooms.accountOps(alice.user.id)).toEqual(['session_created'])
    for (let i = 0; i < 2; i++)
      expect(await rooms.account.rename(request, username)).toMatchObject({ username })
    expect(await rooms.accountOps(alice.user.id)).toEqual(['session_created', 'renamed'])
  })

  test('tells a revocation whose session is gone already', async () => {
    const alice = await signUp(rooms.account)
    const phone = await rooms.account.login(visitor(), { username: alice.user.username, password })
    const request = requestOf(alice)
    const failing = rooms.with({ log: failingOnce(rooms.log) })
    const command = { session_id: phone.session.id }
    await expect(failing.revoke(request, command)).rejects.toThrow('went away')
    expect(await rooms.database.sessions.findOne({ _id: phone.session.id })).toBeNull()
    expect(await rooms.account.revoke(request, command)).toMatchObject({
      changed: true,
      seq: 3,
      version: 2,
    })
    expect(await rooms.account.revoke(request, command)).toMatchObject({
      changed: false,
      seq: 3,
      version: 2,
    })
    expect(await rooms.accountOps(alice.user.id)).toEqual([
      'session_created',
      'session_created',
      'session_revoked',
    ])
  })

  test('ends the other sessions after a password that was changed', async () => {
    const alice = await signUp(rooms.account)
    const phone = await rooms.account.login(visitor(), { username: alice.user.username, password })
    let calls = 0
    const devices: SessionSockets = {
      disconnectSessions() {
        if (++calls === 1) throw new Error('the process died')
      },
      onlineSessions: () => Promise.resolve(new Set()),
    }
    const dying = rooms.with({ devices })
    const request = requestOf(alice)
    await expect(
      dying.changePassword(request, '10.0.0.1', { current: password, next }),
    ).rejects.toThrow('died')
    await dying.changePassword(request, '10.0.0.1', { current: password, next })
    expect(await rooms.database.sessions.findOne({ _id: phone.session.id })).toBeNull()
    expect((await rooms.accountOps(alice.user.id)).at(-1)).toBe('password_changed')
    await rooms.account.login(visitor(), { username: alice.user.username, password: next })
  })

  test.each([0, 1, 2, 3])('finishes a deletion that closed %i topics', async (closed) => {
    const alice = await signUp(rooms.account)
    const failing = rooms.with({ log: failingOnce(rooms.log, closed) })
    await expect(failing.remove(requestOf(alice), '10.0.0.1', password)).rejects.toThrow(
      'went away',
    )
    await expect(
      rooms.account.login(visitor(), { username: alice.user.username, password }),
    ).rejects.toMatchObject({
      code: 'invalid_credentials',
    })
    await rooms.account.finishDeletions()
    expect(await rooms.database.users.findOne({ _id: alice.user.id })).toBeNull()
    const entries = await rooms.database.changes.find({ user_id: alice.user.id }).toArray()
    expect(entries.map(({ op }) => op)).toEqual(['closed', 'closed', 'closed', 'closed'])
    expect(new Set(entries.map(({ topic }) => topic)).size).toBe(4)
  })
})

test('deletions that can’t be finished yet keep no others waiting, and are finished later', async () => {
  const people = [
    await signUp(rooms.account),
    await signUp(rooms.account),
    await signUp(rooms.account),
  ]
  for (const one of people) {
    const failing = rooms.with({ log: failingOnce(rooms.log) })
    await expect(failing.remove(requestOf(one), '10.0.0.1', password)).rejects.toThrow('went away')
  }
  const left = () =>
    rooms.database.users.countDocuments({ _id: { $in: people.map(({ user }) => user.id) } })
  await expect(rooms.with({ log: failingOnce(rooms.log) }).finishDeletions()).rejects.toThrow(
    'went away',
  )
  expect(await left()).toBe(1)
  await rooms.account.finishDeletions()
  expect(await left()).toBe(0)
})

test('a deletion ends the sessions behind what tells the devices of it, so that no look at them overtakes it', async () => {
  const alice = await signUp(rooms.account)
  const log: AccountFixture['log'] = {
    ...rooms.log,
    async append(command) {
      expect(await rooms.database.sessions.countDocuments({ user_id: alice.user.id })).toBe(1)
      return rooms.log.append(command)
    },
  }
  await rooms.with({ log }).remove(requestOf(alice), '10.0.0.1', password)
  expect(await rooms.database.sessions.countDocuments({ user_id: alice.user.id })).toBe(0)
})

test('content that a stalled node wrote back is removed later', async () => {
  const alice = await signUp(rooms.account)
  await rooms.account.remove(requestOf(alice), '10.0.0.1', password)
  await rooms.log.stop()
  const _id = `${alice.user.id}:${newId()}`
  await rooms.database.conversations.insertOne({ _id, user_id: alice.user.id } as never)
  await rooms.account.finishDeletions()
  expect(await rooms.database.conversations.findOne({ _id })).toBeNull()
})

test('a password is hashed anew at the next sign-in when the cost was raised', async () => {
  const alice = await signUp(rooms.account)
  const read = async () => (await rooms.database.users.findOne({ _id: alice.user.id }))!
  expect((await read()).password_hash).toContain(`ln=${CHEAP_PASSWORD_COST},`)
  const dearer = rooms.with({ passwords: createPasswords(CHEAP_PASSWORD_COST + 1) })
  await dearer.login(visitor(), { username: alice.user.username, password })
  expect(await read()).toMatchObject({
    password_hash: expect.stringContaining(`ln=${CHEAP_PASSWORD_COST + 1},`),
    version: 1,
  })
  await rooms.account.login(visitor(), { username: alice.user.username, password })
})

test('two requests that sign up with one name at once leave one account, with all its heads', async () => {
  const username = `twin-${newId()}`
  const outcomes = await Promise.allSettled(
    [1, 2, 3].map(() => rooms.account.register(visitor(), { username, password })),
  )
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  const users = await rooms.database.users.find({ username }).toArray()
  expect(users).toHaveLength(1)
  const heads = await rooms.database.heads.find().toArray()
  for (const user_id of new Set(heads.map((head) => head.user_id)))
    if (!heads.some((head) => head.user_id === user_id && head.closed))
      expect(await rooms.database.users.findOne({ _id: user_id })).not.toBeNull()
})

test('who signs in on more than 100 devices is signed out on the oldest, and the others hear of it', async () => {
  const alice = await signUp(rooms.account)
  const ended: string[] = []
  const devices: SessionSockets = {
    disconnectSessions: (ids) => void ended.push(...ids),
    onlineSessions: () => Promise.resolve(new Set()),
  }
  const account = rooms.with({ devices })
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
  const told = await rooms.database.changes
    .find({ user_id: alice.user.id, op: 'session_revoked' })
    .toArray()
  expect(told.map(({ entity_id }) => entity_id).toSorted()).toEqual([...new Set(ended)].toSorted())
  await expect(account.me(requestOf(alice))).rejects.toMatchObject({ code: 'unauthenticated' })
}, 60_000)
