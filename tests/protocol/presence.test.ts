import { beforeAll, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { Presence } from '@lockstep/protocol/sync'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes()
let alice: Person
let other: Person
beforeAll(async () => {
  alice = await signUp(shared.node, 'alice')
  other = await alice.signIn()
})

test('a device learns who connects, what they view and who disconnects', async () => {
  await using watcher = await alice.device('account')
  const of = (person: Person, online: boolean) => (presence: Presence) =>
    presence.session_id === person.session.id && presence.online === online

  const visitor = await other.device('account')
  const came = Presence.parse(await watcher.until('presence', of(other, true)))
  expect(came).toMatchObject({
    session_id: other.session.id,
    device: other.session.device,
    online: true,
  })

  const conversation_id = newId()
  expect(await visitor.command('viewing', { conversation_id })).toMatchObject({ ok: true })
  const looks = await watcher.until('presence', ({ viewing }) => viewing === conversation_id)
  expect(looks).toMatchObject({ connection_id: came.connection_id, online: true })
  expect(await visitor.command('viewing', { conversation_id: null })).toMatchObject({ ok: true })
  await watcher.until(
    'presence',
    ({ viewing, connection_id }) => viewing === null && connection_id === came.connection_id,
  )

  visitor.close()
  expect(await watcher.until('presence', of(other, false))).toMatchObject({
    connection_id: came.connection_id,
  })
})

test('a device that joins later learns who is online and what they view', async () => {
  await using first = await alice.device('account')
  const conversation_id = newId()
  await first.command('viewing', { conversation_id })
  await using second = await other.device('account')
  await second.until(
    'presence',
    ({ session_id, viewing }) => session_id === alice.session.id && viewing === conversation_id,
  )
})

test('two tabs of one browser are two connections of one session', async () => {
  await using watcher = await other.device('account')
  const tabs = await Promise.all([alice.device('account'), alice.device('account')])
  const ids = () =>
    watcher.inbox
      .all<Presence>('presence')
      .filter(({ session_id }) => session_id === alice.session.id)
  await watcher.until(
    'presence',
    () => new Set(ids().map(({ connection_id }) => connection_id)).size === 2,
  )
  tabs[0]!.close()
  await watcher.until(
    'presence',
    ({ online, session_id }) => !online && session_id === alice.session.id,
  )
  const { items } = await other.ask('listSessions')
  expect(items.find(({ id }) => id === alice.session.id)).toMatchObject({
    online: true,
    current: false,
  })
  tabs[1]!.close()
})

test("presence goes to the user's own devices, and only in /account", async () => {
  const bob = await signUp(shared.node, 'bob')
  await using stranger = await bob.device('account')
  await using elsewhere = await alice.device('conversations')
  await using watcher = await alice.device('account')
  await using visitor = await other.device('account')
  await visitor.command('viewing', { conversation_id: newId() })
  await watcher.until('presence', ({ viewing }) => Boolean(viewing))
  const { seq } = await elsewhere.done('create', {})
  await elsewhere.until('change', (change) => change.seq === seq)
  await bob.ask('renameMe', { body: { username: `${bob.user.username}-2` } })
  await stranger.until('change', ({ op }) => op === 'renamed')
  expect(elsewhere.inbox.all('presence')).toEqual([])
  expect(
    stranger.inbox
      .all<Presence>('presence')
      .filter(({ session_id }) => session_id !== bob.session.id),
  ).toEqual([])
})

test('viewing needs no mutation_id, is not logged, and takes a UUID or null', async () => {
  await using device = await alice.device('account')
  const { to } = await device.next('sync')
  expect(await device.send('viewing', { conversation_id: newId() })).toMatchObject({ ok: true })
  for (const conversation_id of ['x', 5, undefined, { $ne: 1 }])
    expect(await device.send('viewing', { conversation_id })).toMatchObject({
      ok: false,
      error: { code: 'invalid' },
    })
  expect((await alice.ask('getMe')).seq).toBe(to)
})
