import { expect, test } from 'vitest'
import { topics } from '@lockstep/protocol/topics'
import { cookieOf, Person, signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes()
const live = topics.filter((topic) => topic !== 'agents')

test("logging out closes the session's sockets and invalidates its cookie, even a copy of it", async () => {
  const alice = await signUp(shared.node, 'alice')
  const elsewhere = await alice.signIn()
  const copy = new Person(alice.url, alice, alice.cookie, alice.password)
  const hers = await Promise.all(live.map((topic) => alice.device(topic)))
  const others = await Promise.all(live.map((topic) => elsewhere.device(topic)))

  const reply = await alice.rest('POST', '/auth/logout')
  expect(reply.status).toBe(204)
  expect(cookieOf(reply.headers)).toMatch(/^lockstep_session=$/)

  await Promise.all(hers.map((device) => device.disconnected(1_000)))
  expect((await copy.rest('GET', '/users/me')).body).toMatchObject({
    status: 401,
    code: 'unauthenticated',
  })
  expect((await copy.rest('POST', '/conversations', {})).status).toBe(401)
  for (const topic of live)
    await expect(copy.device(topic)).rejects.toMatchObject({
      data: { status: 401, code: 'unauthenticated' },
    })

  expect(others.map(({ connected }) => connected)).toEqual(others.map(() => true))
  expect((await elsewhere.ask('listSessions')).items.map(({ id }) => id)).toEqual([
    elsewhere.session.id,
  ])
  for (const device of others) device.close()
})
