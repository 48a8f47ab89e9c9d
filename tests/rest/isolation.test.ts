// Another user's things don't exist. The whole table of routes is walked, so that a route added later is asked too.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '../../protocol/ids.ts'
import { routes, type Route, type RouteName } from '../../protocol/rest.ts'
import { freshDatabase } from '../harness/database.ts'
import { startNode, type TestNode } from '../harness/node.ts'
import { request, signUp, type Person } from '../harness/person.ts'
import { ended, everythingOf } from './everything-of.ts'
import { expectProblem } from './served.ts'

const database = freshDatabase()
let node: TestNode
let alice: Person
let bob: Person
/** Ids of alice's, each of another kind. */
let ids: Record<string, string>

beforeAll(async () => {
  node = await startNode(database)
  ;[alice, bob] = await Promise.all([signUp(node), signUp(node)])
  const live = await alice.ask('createConversation', { body: { title: 'secret', messages: [{ role: 'user', content: 'secret' }] } }) // prettier-ignore
  const trashed = await alice.ask('createConversation', { body: { title: 'secret trash' } })
  await alice.ask('deleteConversation', { params: { id: trashed.id } })
  const [agent] = (await alice.ask('listAgents')).items
  const run = await alice.ask('createRun', { body: { agent: agent!.id, input: 'secret' } })
  await ended(alice, run.id)
  ids = {
    conversation: live.id,
    trashed: trashed.id,
    run: run.id,
    session: alice.session.id,
    user: alice.user.id,
    message: live.messages[0]!.id,
  }
})
afterAll(async () => {
  await node.stop()
  await database[Symbol.asyncDispose]()
})

const names = Object.keys(routes) as RouteName[]
const table: Record<string, Route> = routes
const bodies: { [Name in RouteName]?: unknown } = { putConversation: { title: 'stolen' } }
const queries: { [Name in RouteName]?: string } = { getConversationAt: '?seq=1' }

describe('every route with an id', () => {
  const withId = names.filter((name) => table[name]!.params)

  test('is asked', () => {
    expect(withId.length).toBeGreaterThan(5)
  })

  test.each(withId)('%s finds nothing of alice for bob, and says no more than of what never was', async (name) => {
    const before = await everythingOf(alice)
    const { method, path } = table[name]!
    const ask = (id: string) =>
      bob.rest(method, path.replace('{id}', id) + (queries[name] ?? ''), bodies[name], { 'if-match': '1' })
    const never = await ask(newId())
    expectProblem(never, 'not_found', 404)
    for (const id of Object.values(ids)) {
      const reply = await ask(id)
      expectProblem(reply, 'not_found', 404)
      expect(reply.body).toEqual(never.body)
    }
    expect(await everythingOf(alice)).toEqual(before)
  })
})

describe('every route that lists or shows', () => {
  const shows = names.filter((name) => table[name]!.method === 'GET' && !table[name]!.params)

  test.each(shows)('%s shows bob nothing of alice', async (name) => {
    const reply = await bob.rest('GET', table[name]!.path)
    const text = JSON.stringify(reply.body)
    for (const id of Object.values(ids)) expect(text).not.toContain(id)
    expect(text).not.toContain('secret')
  })

  test.each(['trash', 'archived', 'active'])('the list of state %s is bob’s own', async (state) => {
    expect((await bob.rest('GET', `/conversations?state=${state}&q=secret`)).body).toMatchObject({ items: [] })
  })
})

test.each(names.filter((name) => !table[name]!.open))('%s is nothing for who is not signed in', async (name) => {
  const { method, path } = table[name]!
  expectProblem(await request(node.url + path.replace('{id}', ids.conversation!), method), 'unauthenticated', 401)
})

test('whoever holds alice’s state with bob’s cookie is refused on every route', async () => {
  const before = await everythingOf(bob)
  const headers = { 'lockstep-user': alice.user.id }
  for (const name of names.filter((name) => !table[name]!.open)) {
    const { method, path } = table[name]!
    const reply = await bob.rest(method, path.replace('{id}', newId()), undefined, headers)
    expectProblem(reply, 'unauthenticated', 401)
  }
  expect(await everythingOf(bob)).toEqual(before)
})
