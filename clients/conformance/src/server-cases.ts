// What can be seen from outside of the rules of a server: LOG-…, GATE-… and API-….
import type { Topic } from '@lockstep/protocol/topics'
import { equalJson } from '@lockstep/protocol/free-form'
import { newId } from '@lockstep/protocol/ids'
import { logCases } from './server-log-cases.ts'
import { expect, Probe, type ServerCase } from './server-probe.ts'

const namespaces: readonly Topic[] = ['conversations', 'preferences', 'agents', 'account']
const forEach = (make: (topic: Topic) => ServerCase[]): ServerCase[] => namespaces.flatMap(make)

/** A conversation of this user, over HTTP. */
const create = async (probe: Probe): Promise<string> => {
  const { status, body } = await probe.ask('POST', '/conversations', { title: 'Chat' })
  expect(status === 201, 'POST /conversations is 201', body)
  return String(body.id)
}
const code = (body: unknown): unknown => (body as { code?: unknown } | undefined)?.code

const gate2 = forEach((topic) =>
  (['nothing', 'the cursor', 'an old cursor', 'a foreign epoch'] as const).map((since) => ({
    rule: 'GATE-2',
    name: `/${topic} sends a sync first to a device with ${since}`,
    async run(probe) {
      await probe.ask('PUT', '/users/me/preferences', { [newId()]: 1 })
      const cursor = await probe.cursor(topic)
      const given = {
        nothing: undefined,
        'the cursor': cursor,
        'an old cursor': { ...cursor, seq: 0 },
        'a foreign epoch': { ...cursor, epoch: 'another' },
      }[since]
      const socket = await probe.join(topic, given && { since: given })
      const sync = await socket.sync()
      const first = socket.received.find(({ event }) => event !== 'other')
      expect(first?.event === 'sync', 'a sync comes before any change', socket.received)
      expect(sync.reset === (since === 'a foreign epoch'), 'reset tells a foreign epoch', sync)
      if (since === 'an old cursor' && cursor.seq > 0)
        expect(sync.changes[0]?.seq === 1, 'it has what the device lacks', sync)
    },
  })),
)

const inOrder: ServerCase = {
  rule: 'GATE-2',
  name: 'changes come in order, each once, on every socket',
  async run(probe) {
    const cursor = await probe.cursor('conversations')
    const sockets = await Promise.all([1, 2, 3].map(() => probe.join('conversations')))
    await Promise.all(sockets.map((socket) => socket.sync()))
    const acks = await Promise.all(
      Array.from({ length: 15 }, (_, index) =>
        sockets[index % 3]!.command('create', { id: newId(), title: `n ${index}` }),
      ),
    )
    expect(
      acks.every(({ ok }) => ok),
      'all commands succeed',
      acks,
    )
    for (const socket of sockets) {
      const changes = await socket.changesUpTo(cursor.seq + 15)
      const seqs = changes.map(({ seq }) => seq)
      const expected = Array.from({ length: 15 }, (_, index) => cursor.seq + 1 + index)
      expect(String(seqs) === String(expected), 'in order and once', seqs)
    }
  },
}

/** A head comes about every 25 s. */
const PATIENCE = 90_000

const gate5: ServerCase = {
  rule: 'GATE-5',
  name: 'a head says what the database holds',
  async run(probe) {
    const socket = await probe.join('preferences')
    await socket.sync()
    await probe.ask('PUT', '/users/me/preferences', { [newId()]: 1 })
    const cursor = await probe.cursor('preferences')
    const found = await socket.until(
      'a head',
      () => {
        // one that was sent before the change tells of the state before it
        const changed = socket.received.findIndex(({ event }) => event === 'change')
        return socket.received.find(
          ({ event }, at) => event === 'head' && at > changed && changed >= 0,
        )
      },
      PATIENCE,
    )
    expect(equalJson(found.payload, cursor), `the head is ${JSON.stringify(cursor)}`, found.payload)
  },
}

const gate6 = forEach((topic) => [
  {
    rule: 'GATE-6',
    name: `a revoked session loses its socket in /${topic}`,
    async run(probe) {
      const other = await probe.signIn()
      const socket = await other.join(topic)
      await socket.sync()
      const path = `/users/me/sessions/${other.session_id}`
      const { status } = await probe.ask('DELETE', path)
      expect(status === 204, 'the session is revoked', status)
      await socket.until('the socket is closed', () =>
        socket.received.some(({ event }) => event === 'disconnect'),
      )
    },
  },
])

const gate7and8 = forEach((topic) => [
  {
    rule: 'GATE-7',
    name: `/${topic} offers no recovery of the connection's state`,
    async run(probe) {
      const socket = await probe.join(topic)
      await socket.sync()
      expect(!socket.offersRecovery, 'the server gives no private id')
    },
  },
  {
    rule: 'GATE-8',
    name: `a connection that joins /${topic} again is ended`,
    async run(probe) {
      const socket = await probe.join(topic)
      await socket.sync()
      socket.joinAgain()
      await socket.until('the connection ends', () =>
        socket.received.some(({ event }) => event === 'disconnect'),
      )
    },
  },
])

const refusals: Record<string, { auth?: object; headers?: Record<string, string>; code: string }> =
  {
    'without a cookie': { headers: { cookie: '' }, code: 'unauthenticated' },
    'with a forged cookie': { headers: { cookie: 'lockstep_session=x' }, code: 'unauthenticated' },
    'with a bad token': { auth: { token: 'lsu_x' }, code: 'unauthenticated' },
    'for another user': { auth: { user_id: newId() }, code: 'unauthenticated' },
    'of a foreign origin': {
      headers: { origin: 'https://evil.example' },
      code: 'forbidden_origin',
    },
    'of a later protocol': { auth: { protocol: 99 }, code: 'protocol_unsupported' },
    'with a malformed cursor': { auth: { since: { epoch: 1, seq: -1 } }, code: 'invalid' },
    'with a malformed user': { auth: { user_id: 'me' }, code: 'invalid' },
  }
const gate9 = [
  ...forEach((topic) =>
    Object.entries(refusals).map(([name, { auth, headers, code: expected }]) => ({
      rule: 'GATE-9',
      name: `/${topic} refuses a handshake ${name} as ${expected}`,
      async run(probe) {
        const socket = await probe.join(topic, auth, headers)
        expect(code(socket.refusal) === expected, `refused as ${expected}`, socket.refusal)
      },
    })),
  ),
  {
    rule: 'GATE-9',
    name: 'a namespace that is no topic is not_found',
    async run(probe: Probe) {
      const socket = await probe.join('nothing')
      expect(socket.refusal !== undefined, 'it is refused')
    },
  },
]

const ranges: Record<string, { from: number; to: number; seqs?: number[]; code?: string }> = {
  'one change': { from: 2, to: 2, seqs: [2] },
  'both ends included': { from: 1, to: 3, seqs: [1, 2, 3] },
  'what is beyond the head': { from: 4, to: 99, seqs: [4] },
  'the next one, which isn’t there yet': { from: 5, to: 5, seqs: [] },
  'more than 500': { from: 1, to: 501, code: 'invalid' },
  'an end before the beginning': { from: 3, to: 2, code: 'invalid' },
  'a negative seq': { from: -1, to: 2, code: 'invalid' },
}
const gate10 = Object.entries(ranges).map(
  ([name, { from, to, seqs, code: expected }]): ServerCase => ({
    rule: 'GATE-10',
    name: `range answers ${name}`,
    async run(probe) {
      const person = await Probe.register(probe.url, probe.within)
      for (let n = 0; n < 4; n++) await person.ask('PUT', '/users/me/preferences', { n })
      const socket = await person.join('preferences')
      await socket.sync()
      const ack = await socket.range(from, to)
      if (!ack.ok) return expect(code(ack.error) === expected, `refused as ${expected}`, ack)
      const found = ack.data.changes.map(({ seq }) => seq)
      expect(expected === undefined && !ack.data.reset, 'it is answered', ack)
      expect(String(found) === String(seqs), `changes ${String(seqs)}`, found)
      person.end()
    },
  }),
)

const strangers: [method: string, path: string, body?: object][] = [
  ['GET', ''],
  ['GET', '?state=trash'],
  ['PUT', '', { title: 'Mine' }],
  ['POST', '/restore'],
  ['POST', '/purge'],
  ['POST', '/rewind', { seq: 1 }],
  ['POST', '/messages', { messages: [{ role: 'user', content: 'x' }] }],
  ['POST', '/reply', {}],
  ['GET', '/markdown'],
  ['GET', '/at?seq=1'],
]
const api1 = strangers.map(([method, path, body]): ServerCase => ({
  rule: 'API-1',
  name: `${method} /conversations/{id}${path} of another user is 404`,
  async run(probe) {
    const id = await create(await Probe.register(probe.url, probe.within))
    const { status, body: answer } = await probe.ask(method, `/conversations/${id}${path}`, body)
    expect(status === 404 && code(answer) === 'not_found', 'it doesn’t exist', { status, answer })
  },
}))

const unknownFields: [method: string, path: (id: string) => string, body: object][] = [
  ['POST', () => '/conversations', { titel: 'x' }],
  ['PUT', (id) => `/conversations/${id}`, { name: 'x' }],
  ['POST', (id) => `/conversations/${id}/messages`, { message: [] }],
  ['POST', (id) => `/conversations/${id}/rewind`, { seq: 1, to: 2 }],
  [
    'PUT',
    (id) => `/conversations/${id}`,
    { messages: [{ role: 'user', content: 'x', text: 'x' }] },
  ],
]
const api2 = unknownFields.map(([method, path, body], index): ServerCase => ({
  rule: 'API-2',
  name: `${method} ${path('{id}')} refuses an unknown field (${index + 1})`,
  async run(probe) {
    const { status, body: answer } = await probe.ask(method, path(await create(probe)), body)
    expect(status === 422 && code(answer) === 'invalid', 'it is invalid', { status, answer })
  },
}))

const others: ServerCase[] = [
  {
    rule: 'API-2',
    name: 'what GET returns may be PUT as it is, and changes nothing',
    async run(probe) {
      const id = await create(probe)
      const { body } = await probe.ask('GET', `/conversations/${id}`)
      const { epoch: _epoch, seq, ...conversation } = body
      const put = await probe.ask('PUT', `/conversations/${id}`, conversation)
      expect(put.status === 200 && put.body.version === body.version, 'nothing changes', put.body)
      expect((await probe.cursor('conversations')).seq === seq, 'the log has no new change')
    },
  },
  {
    rule: 'API-7',
    name: 'If-Match with another version is version_conflict with the current entity',
    async run(probe) {
      const id = await create(probe)
      const headers = { 'if-match': '"7"' }
      const answer = await probe.ask('PUT', `/conversations/${id}`, { title: 'x' }, headers)
      const current = answer.body.current as { id?: string } | undefined
      expect(answer.status === 409 && current?.id === id, 'version_conflict', answer.body)
    },
  },
  {
    rule: 'API-8',
    name: 'a request of a foreign origin that changes something is forbidden_origin',
    async run(probe) {
      const headers = { origin: 'https://evil.example' }
      const answer = await probe.ask('POST', '/conversations', {}, headers)
      expect(code(answer.body) === 'forbidden_origin', 'it is refused', answer.body)
    },
  },
  {
    rule: 'API-9',
    name: 'a request for another user than the cookie’s is unauthenticated',
    async run(probe) {
      const headers = { 'lockstep-user': newId() }
      const answer = await probe.ask('GET', '/conversations', undefined, headers)
      expect(code(answer.body) === 'unauthenticated', 'it is refused', answer.body)
    },
  },
]

export const serverCases = (seeds: readonly number[]): readonly ServerCase[] => [
  ...gate2,
  inOrder,
  gate5,
  ...gate6,
  ...gate7and8,
  ...gate9,
  ...gate10,
  ...api1,
  ...api2,
  ...others,
  ...logCases(seeds),
]
