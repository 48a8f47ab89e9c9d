// Another user's entities don't exist for a client. tests/attacks shows that for each route and
// command. These are the cases beyond asking for an entity by its id.
import { beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { topics } from '@lockstep/protocol/topics'
import type { Device } from '../harness/device.ts'
import { storedState } from '../harness/follower.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes()
const MARK = 'only-for-alice'
const conversation = newId()
const message = newId()

let alice: Person
let bob: Person
let before: unknown
const everythingOf = async (person: Person) => [
  await storedState(person, 'conversations'),
  await storedState(person, 'preferences'),
  await storedState(person, 'account'),
]
beforeAll(async () => {
  alice = await signUp(shared.node, `${MARK}-1`)
  bob = await signUp(shared.node, 'bob')
  const messages = [{ id: message, role: 'user' as const, content: `${MARK}: a secret` }]
  await alice.ask('createConversation', {
    body: { id: conversation, title: MARK, messages, metadata: { MARK } },
  })
  await alice.ask('putPreferences', { body: { note: MARK } })
  before = await everythingOf(alice)
})

describe('API-1 P3: bob', () => {
  test('finds nothing of alice’s by searching', async () => {
    for (const state of ['active', 'archived', 'trash'] as const)
      expect((await bob.ask('listConversations', { query: { q: MARK, state } })).items).toEqual([])
    expect((await alice.ask('listConversations', { query: { q: MARK } })).items).toHaveLength(1)
  })

  test('may use the id of alice’s conversation for his own, which is another conversation', async () => {
    await using device = await bob.device('conversations')
    await device.done('create', {
      id: conversation,
      title: 'Mine',
      messages: [{ id: message, role: 'user', content: 'I' }],
    })
    expect(await bob.ask('getConversation', { params: { id: conversation } })).toMatchObject({
      title: 'Mine',
      version: 1,
    })
    await device.done('purge', { conversation_id: conversation })
    expect(await everythingOf(alice)).toEqual(before)
  })

  test('never receives anything of alice’s, while her other devices receive everything', async () => {
    const stranger = await signUp(shared.node, 'bob')
    const join = async (person: Person): Promise<Device[]> => {
      const account = await person.device('account')
      const others = topics.filter((topic) => topic !== 'account')
      return [
        account,
        ...(await Promise.all(others.map((topic) => person.device(topic, { beside: account })))),
      ]
    }
    const his = await join(stranger)
    const hers = await join(alice)
    await using writer = await alice.device('conversations')
    await using looker = await alice.device('account')

    const id = newId()
    await writer.done('create', { id, title: MARK })
    await writer.done('append', { conversation_id: id, message: { role: 'user', content: MARK } })
    await writer.done('purge', { conversation_id: id })
    await alice.ask('putPreferences', { body: { note: `${MARK} again` } })
    await looker.command('viewing', { conversation_id: conversation })
    await (await alice.signIn()).ask('logout')
    const { seq } = await alice.ask('getMe')
    await hers[0]!.until('change', (change) => change.seq === seq)
    // his own change is last on the same feed, so everything sent to him before has arrived too
    await stranger.ask('putPreferences', { body: { theme: 'dark' } })
    await his[2]!.until('change', ({ topic }) => topic === 'preferences')

    const heard = his[0]!.packets.join('\n')
    for (const trace of [MARK, alice.user.id, alice.session.id, conversation, id]) {
      expect(hers[0]!.packets.join('\n')).toContain(trace)
      expect(heard).not.toContain(trace)
    }
    for (const devices of [his, hers]) devices[0]!.close()
  })
})
