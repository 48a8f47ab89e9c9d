// Another user's things do not exist: bob tries everything there is with the ids of alice's. Both tables are walked, so a route or command
// that is added without a line here is a type error or a failing test.
import { beforeAll, describe, expect, test } from 'vitest'
import { newId } from '../../protocol/ids.ts'
import { routes } from '../../protocol/rest.ts'
import { commands } from '../../protocol/sync.ts'
import { topics, type Topic } from '../../protocol/topics.ts'
import type { Device } from '../harness/device.ts'
import { truth } from '../harness/follower.ts'
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
  await truth(person, 'conversations'),
  await truth(person, 'preferences'),
  await truth(person, 'account'),
]
/** Whoever changes anything of hers moves one of these. */
const headsOf = async (person: Person) => [
  (await person.ask('listConversations')).seq,
  (await person.ask('getPreferences')).seq,
  (await person.ask('getMe')).seq,
]
let heads: number[]
beforeAll(async () => {
  alice = await signUp(shared.node, `${MARK}-1`)
  bob = await signUp(shared.node, 'bob')
  const messages = [{ id: message, role: 'user' as const, content: `${MARK}: a secret` }]
  await alice.ask('createConversation', { body: { id: conversation, title: MARK, messages, metadata: { MARK } } })
  await alice.ask('putPreferences', { body: { note: MARK } })
  before = await everythingOf(alice)
  heads = await headsOf(alice)
})

describe('bob over HTTP', () => {
  const alices = () => ({ '/conversations/{id}': conversation, '/agent-runs/{id}': newId(), '/users/me/sessions/{id}': alice.session.id }) // prettier-ignore
  const bodies: Partial<Record<keyof typeof routes, object>> = {
    putConversation: { title: 'mine now', messages: [{ id: message, role: 'user', content: 'overwritten' }] },
  }
  const named = Object.entries(routes).filter(([, { path }]) => path.includes('{id}'))

  test.each(named)('gets not_found for her id from %s', async (name, { method, path }) => {
    const [, id] = Object.entries(alices()).find(([prefix]) => path.startsWith(prefix))!
    const query = name === 'getConversationAt' ? '?seq=1' : ''
    const reply = await bob.rest(method, path.replace('{id}', id) + query, bodies[name as keyof typeof routes])
    expect(reply).toMatchObject({ status: 404, body: { code: 'not_found', status: 404 } })
    expect(await headsOf(alice)).toEqual(heads)
  })

  const unnamed = Object.values(routes).filter(({ method, path }) => method === 'GET' && !path.includes('{'))
  test.each(unnamed.map(({ path }) => path))('finds nothing of hers in %s', async (path) => {
    const hers = await alice.rest('GET', path)
    const his = await bob.rest('GET', path)
    expect(his.status).toBe(hers.status)
    for (const trace of [MARK, alice.user.id, alice.session.id, conversation, message])
      expect(JSON.stringify(his.body)).not.toContain(trace)
  })

  test('finds nothing of hers by searching', async () => {
    for (const state of ['active', 'archived', 'trash'] as const)
      expect((await bob.ask('listConversations', { query: { q: MARK, state } })).items).toEqual([])
    expect((await alice.ask('listConversations', { query: { q: MARK } })).items).toHaveLength(1)
  })
})

describe('bob on a socket', () => {
  type Payloads = { [T in Topic]: { [Name in keyof (typeof commands)[T]]: () => object } }
  const hers = () => ({ conversation_id: conversation })
  /** Each command with her id in each place that takes one. */
  const payloads: Payloads = {
    conversations: {
      create: () => ({ messages: [{ role: 'user', content: 'mine', replaces: message }] }),
      update: () => ({ ...hers(), title: 'mine now' }),
      append: () => ({ ...hers(), message: { role: 'user', content: 'gotcha' } }),
      delete: hers,
      restore: hers,
      purge: hers,
      reply: hers,
      stop: () => ({ ...hers(), message_id: message }),
    },
    preferences: { update: () => ({ patch: { note: null } }) },
    agents: {
      run: () => ({ agent: 'demo', input: 'say it', conversation_id: conversation }),
      stop: () => ({ run_id: newId() }),
      delete: () => ({ run_id: newId() }),
    },
    account: {
      revoke: () => ({ session_id: alice.session.id }),
      viewing: hers,
    },
  }
  /** What isn't a look-up: these have nothing that could be found. */
  const otherwise: Record<string, unknown> = {
    'conversations create': { ok: false, error: { code: 'invalid' } },
    'preferences update': { ok: true, data: { preferences: {} } },
    'account viewing': { ok: true },
  }
  const all = topics.flatMap((topic) => Object.keys(commands[topic]).map((name) => [topic, name] as const))

  test.each(all)('gets not_found for her ids from %s %s', async (topic, name) => {
    const payload = (payloads[topic] as Record<string, () => object>)[name]!()
    await using device = await bob.device(topic)
    const notFound = { ok: false, error: { code: 'not_found', status: 404 } }
    expect(await device.command(name, payload)).toMatchObject(otherwise[`${topic} ${name}`] ?? notFound)
    expect(await headsOf(alice)).toEqual(heads)
  })

  test('may use her id for a conversation of his own, which is another one', async () => {
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

  test('is never sent a byte of hers, while her other devices are sent it all', async () => {
    const stranger = await signUp(shared.node, 'bob')
    const join = async (person: Person): Promise<Device[]> => {
      const account = await person.device('account')
      const others = topics.filter((topic) => topic !== 'account')
      return [account, ...(await Promise.all(others.map((topic) => person.device(topic, { beside: account }))))]
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
    // His own change comes last on the same feed: what was meant for him before it has come too.
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
