import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { topics, type Topic } from '@lockstep/protocol/topics'
import { createAccountDeletion } from '../../realtime/commands/account-deletion.ts'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import type { UserDocument } from '../../realtime/store/documents.ts'
import { eventually } from '../harness/eventually.ts'
import { startNode } from '../harness/node.ts'
import { request, signIn, signUp, type Person } from '../harness/person.ts'
import { countDocumentsOf, stopRun, userSnapshot } from './user-snapshot.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { expectProblem } from './http-fixture.ts'

const shared = sharedNodes()
let database: Database
beforeAll(async () => {
  database = await openDatabase(shared.database.url)
})
afterAll(() => database.close())

const secret = 'what only they know'

/** A user with content of every kind. With `quiet`, no run is still running. */
async function withContent({ quiet = false } = {}): Promise<Person> {
  const person = await signUp(shared.node)
  await person.ask('putPreferences', { body: { note: secret } })
  await person.ask('putRecord', {
    params: { kind: 'note', id: newId() },
    body: { data: { note: secret } },
  })
  const draft = { place: 'new', text: secret }
  await person.ask('putDraft', { params: { id: newId() }, body: draft })
  for (let i = 0; i < 3; i++) {
    const { id } = await person.ask('createConversation', {
      body: { title: secret, messages: [{ role: 'user', content: secret }] },
    })
    if (i === 0) await person.ask('deleteConversation', { params: { id } })
  }
  const run = await person.ask('createRun', {
    body: { agent: (await person.ask('listAgents')).items[0]!.id, input: secret },
  })
  if (quiet) await stopRun(person, run.id)
  return person
}

const gone = {
  changes: topics.length,
  heads: topics.length,
  users: 0,
  sessions: 0,
  conversations: 0,
  messages: 0,
  agent_runs: 0,
  drafts: 0,
  records: 0,
  replies: 0,
}

/** Expects that only the entries that close the topics are left of the user. */
async function expectGone(user_id: string): Promise<void> {
  await eventually(async () => expect(await countDocumentsOf(database, user_id)).toEqual(gone))
  const entries = await database.changes.find({ user_id }).toArray()
  expect(entries.map(({ op }) => op)).toEqual(topics.map(() => 'closed'))
  expect(JSON.stringify(entries)).not.toContain(secret)
}

describe('DELETE /users/me', () => {
  test('removes the account and all its content, and nothing of another user', async () => {
    const [alice, bob] = await Promise.all([withContent(), withContent({ quiet: true })])
    const before = await userSnapshot(bob)
    const phone = await alice.signIn()
    await using device = await phone.device('conversations')
    const reply = await alice.rest('DELETE', '/users/me', { password: alice.password })
    expect(reply.status).toBe(204)
    expect(reply.headers.getSetCookie()[0]).toMatch(/^lockstep_session=;/)
    await device.disconnected()
    for (const person of [alice, phone])
      expectProblem(await person.rest('GET', '/users/me'), 'unauthenticated', 401)
    await expect(phone.device('account')).rejects.toMatchObject({
      data: { code: 'unauthenticated' },
    })
    await expect(signIn(shared.node, alice.user.username, alice.password)).rejects.toThrow(
      'invalid_credentials',
    )
    await expectGone(alice.user.id)
    expect(await userSnapshot(bob)).toEqual(before)
  })

  test('frees the name, and the next user of the name starts with nothing', async () => {
    const alice = await withContent()
    await alice.ask('deleteMe', { body: { password: alice.password } })
    const credentials = { username: alice.user.username, password: 'correct horse' }
    expect((await request(`${shared.node.url}/auth/register`, 'POST', credentials)).status).toBe(
      201,
    )
    const next = await signIn(shared.node, credentials.username, credentials.password)
    expect(next.user.id).not.toBe(alice.user.id)
    expect((await next.ask('listConversations')).items).toEqual([])
    expect((await next.ask('getPreferences')).preferences).toEqual({})
  })

  test('needs the password', async () => {
    const alice = await withContent({ quiet: true })
    const before = await userSnapshot(alice)
    expectProblem(
      await alice.rest('DELETE', '/users/me', { password: 'wrong horse' }),
      'invalid_credentials',
      401,
    )
    expectProblem(await alice.rest('DELETE', '/users/me'), 'invalid', 422)
    expect(await userSnapshot(alice)).toEqual(before)
  })

  test('that was interrupted is finished by the next node that starts, and nobody can sign in meanwhile', async () => {
    const alice = await withContent()
    await database.users.updateOne({ _id: alice.user.id }, { $set: { closing: true } })
    expectProblem(await alice.rest('GET', '/conversations'), 'unauthenticated', 401)
    await expect(signIn(shared.node, alice.user.username, alice.password)).rejects.toThrow(
      'invalid_credentials',
    )
    await using _another = await startNode(shared.database)
    await expectGone(alice.user.id)
  })

  test('while the user writes on other devices leaves no content', async () => {
    const alice = await withContent()
    const phone = await alice.signIn()
    const writing = Array.from({ length: 30 }, () =>
      phone.rest('POST', '/conversations', { title: secret }),
    )
    const deleting = alice.rest('DELETE', '/users/me', { password: alice.password })
    const replies = await Promise.all(writing)
    expect((await deleting).status).toBe(204)
    for (const { status } of replies) expect([201, 401, 404]).toContain(status)
    await expectGone(alice.user.id)
  })
})

test('LOG-7: `account` is closed after every other topic, however long each takes and whether it fails', async () => {
  const fates = fc.record(
    Object.fromEntries(
      topics.map((topic) => [topic, fc.record({ turns: fc.nat(5), fails: fc.boolean() })]),
    ) as Record<Topic, fc.Arbitrary<{ turns: number; fails: boolean }>>,
  )
  await fc.assert(
    fc.asyncProperty(fates, async (fate) => {
      const happened: string[] = []
      const ended: string[] = []
      const log: Parameters<typeof createAccountDeletion>[0]['log'] = {
        heads: () => Promise.resolve(new Map()),
        append: async ({ topic }) => {
          happened.push(`begins ${topic}`)
          for (let turn = 0; turn < fate[topic].turns; turn++) await nextTurn()
          if (fate[topic].fails) throw new Error(topic)
          return undefined as never
        },
        projectToHead: async (_user_id, topic) => {
          await nextTurn()
          happened.push(`closed ${topic}`)
          return { epoch: '', seq: 0 }
        },
      }
      const devices = { disconnectSessions: (ids: readonly string[]) => ended.push(...ids) }
      const alice = { _id: newId(), version: 1 } as UserDocument
      const removal = createAccountDeletion({ database, log, devices }).remove(alice)
      const failed = topics.filter((topic) => fate[topic].fails)
      if (failed.length > 0) await expect(removal).rejects.toThrow()
      else await removal
      const others = topics.filter((topic) => topic !== 'account')
      const closed = others.filter((topic) => !fate[topic].fails)
      expect(happened.slice(0, others.length).sort()).toEqual(
        others.map((t) => `begins ${t}`).sort(),
      )
      const at = happened.indexOf('begins account')
      expect(happened.slice(0, at)).toEqual(
        expect.arrayContaining(closed.map((t) => `closed ${t}`)),
      )
      expect(happened.slice(at + 1)).toEqual(fate.account.fails ? [] : ['closed account'])
    }),
    { numRuns: 30 },
  )
})

test('a purge strips the entries of its conversation, and not those of another entity with the same id', async () => {
  const alice = await signUp(shared.node)
  const run = await alice.ask('createRun', { body: { agent: 'demo', input: 'kept' } })
  await stopRun(alice, run.id)
  await alice.ask('putPreferences', { body: { note: 'kept' } })
  const contents = async () => {
    const entries = await database.changes
      .find({ user_id: alice.user.id })
      .sort({ _id: 1 })
      .toArray()
    return entries.filter(({ topic }) => topic !== 'conversations')
  }
  const before = await contents()
  for (const id of [alice.session.id, run.id, alice.user.id]) {
    await alice.ask('createConversation', { body: { id, title: secret } })
    await alice.ask('purgeConversation', { params: { id } })
  }
  const stripped = {
    user_id: alice.user.id,
    topic: 'conversations' as const,
    stripped: true as const,
  }
  await eventually(async () => expect(await database.changes.countDocuments(stripped)).toBe(6))
  expect(JSON.stringify(await database.changes.find(stripped).toArray())).not.toContain(secret)
  expect(await contents()).toEqual(before)
})
