// LOG-1, LOG-3, LOG-6, LOG-7 and the decisions of a server: its log is compared with what the
// protocol's own decisions make of the same commands.
import { equalJson } from '@lockstep/protocol/free-form'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { WireChange } from '@lockstep/protocol/change'
import type { Topic } from '@lockstep/protocol/topics'
import { numbersOf } from './random-cases.ts'
import { ReferenceLogs } from './reference-logs.ts'
import { expect, Probe, type ServerCase } from './server-probe.ts'

/** Each with a fresh conversation: the command, what it says, and what a read then shows. */
const commands: Record<string, { fields: (id: string) => object; shows: (read: Read) => boolean }> =
  {
    update: { fields: () => ({ title: 'New' }), shows: ({ body }) => body.title === 'New' },
    append: {
      fields: () => ({ message: { id: newId(), role: 'user', content: 'Hi' } }),
      shows: ({ body }) => body.message_count === 1,
    },
    delete: { fields: () => ({}), shows: ({ status }) => status === 404 },
    purge: { fields: () => ({}), shows: ({ status }) => status === 404 },
  }
type Read = { status: number; body: Record<string, unknown> }

async function created(probe: Probe): Promise<string> {
  const id = newId()
  const answer = await probe.ask('POST', '/conversations', { id })
  expect(answer.status === 201, 'a conversation is created', answer.body)
  return id
}

const once = Object.entries(commands).flatMap(([command, { fields, shows }]): ServerCase[] => [
  {
    rule: 'LOG-3',
    name: `${command} that is repeated returns its first outcome`,
    async run(probe) {
      const conversation_id = await created(probe)
      const socket = await probe.join('conversations')
      await socket.sync()
      const payload = { mutation_id: newId(), conversation_id, ...fields(conversation_id) }
      const first = await socket.command(command, payload)
      const again = await socket.command(command, payload)
      expect(first.ok && again.ok && first.seq === again.seq, 'the same seq', [first, again])
      const { seq } = await probe.cursor('conversations')
      expect(seq === first.seq, 'the log has one change', { seq, first })
    },
  },
  {
    rule: 'LOG-3',
    name: `${command} that arrives twice at the same time is done once`,
    async run(probe) {
      const conversation_id = await created(probe)
      const sockets = await Promise.all([1, 2].map(() => probe.join('conversations')))
      await Promise.all(sockets.map((socket) => socket.sync()))
      const payload = { mutation_id: newId(), conversation_id, ...fields(conversation_id) }
      const acks = await Promise.all(sockets.map((socket) => socket.command(command, payload)))
      const seqs = acks.map((ack) => (ack.ok ? ack.seq : undefined))
      expect(seqs[0] !== undefined && seqs[0] === seqs[1], 'the same seq', acks)
    },
  },
  {
    rule: 'LOG-3',
    name: `the mutation id of ${command} is good for no other command`,
    async run(probe) {
      const conversation_id = await created(probe)
      const socket = await probe.join('conversations')
      await socket.sync()
      const mutation_id = newId()
      await socket.command(command, { mutation_id, conversation_id, ...fields(conversation_id) })
      const other = await socket.command('create', { mutation_id, title: 'Other' })
      expect(!other.ok && other.error.code === 'invalid', 'it is invalid', other)
    },
  },
  {
    rule: 'LOG-6',
    name: `a read after the ack of ${command} shows it`,
    async run(probe) {
      const conversation_id = await created(probe)
      await probe.ask('GET', `/conversations/${conversation_id}`)
      const socket = await probe.join('conversations')
      await socket.sync()
      const ack = await socket.command(command, { conversation_id, ...fields(conversation_id) })
      expect(ack.ok, 'the command succeeds', ack)
      const read = await probe.ask('GET', `/conversations/${conversation_id}`)
      expect(shows(read), 'the read shows it', read)
    },
  },
])

const contiguous = (['conversations', 'preferences', 'account'] as const).map(
  (topic): ServerCase => ({
    rule: 'LOG-1',
    name: `the log of ${topic} is contiguous from 1`,
    async run(probe) {
      const person = await Probe.register(probe.url, probe.within)
      const { epoch } = await person.cursor(topic)
      for (let n = 0; n < 6; n++) {
        if (topic === 'conversations') await created(person)
        else if (topic === 'preferences') await person.ask('PUT', '/users/me/preferences', { n })
        else await person.signIn()
      }
      const { seq } = await person.cursor(topic)
      expect(seq >= 6, 'each command made a change', seq)
      const socket = await person.join(topic, { since: { epoch, seq: 0 } })
      const seqs = (await socket.changesUpTo(seq)).map((change) => change.seq)
      expect(
        seqs.every((one, index) => one === index + 1),
        '1, 2, 3, …',
        seqs,
      )
      person.end()
    },
  }),
)

const closed: ServerCase = {
  rule: 'LOG-7',
  name: '`closed` is the last change of every topic, and the connection ends',
  async run(probe) {
    const person = await Probe.register(probe.url, probe.within)
    const names: Topic[] = ['conversations', 'preferences', 'agents', 'account']
    const sockets = await Promise.all(names.map((topic) => person.join(topic)))
    await Promise.all(sockets.map((socket) => socket.sync()))
    const { status } = await person.ask('DELETE', '/users/me', { password: person.password })
    expect(status === 204, 'the account is closed', status)
    for (const socket of sockets) {
      await socket.until('the connection ends', () =>
        socket.received.some(({ event }) => event === 'disconnect'),
      )
      const changes = socket.received.flatMap((one) => (one.event === 'change' ? one.payload : []))
      expect(changes.at(-1)?.op === 'closed', 'the last change is `closed`', changes)
    }
  },
}

const STEPS = 12

/** Whatever the server alone decides: times, and who did it. */
const comparable = ({ op, entity_id, version, data }: Partial<WireChange>): unknown =>
  JSON.parse(
    JSON.stringify({ op, entity_id, version, data: data ?? {} }, (key, value: unknown) =>
      /_at$|^user_id$/.test(key) && value !== null ? 'some' : value,
    ),
  )

function step(random: () => number, ids: string[], messages: string[]): [string, object] {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!
  const conversation_id = pick(ids)
  const message = () => {
    messages.push(newId())
    return { id: messages.at(-1)!, role: pick(['user', 'assistant']), content: `👋 ${random()}` }
  }
  const known = { id: pick([...messages, newId()]), role: 'user', content: `edited ${random()}` }
  return pick<() => [string, object]>([
    () => ['create', { id: pick(ids), title: 'Chat', messages: [message()] }],
    () => ['update', { conversation_id, title: `Title ${Math.floor(random() * 3)}` }],
    () => ['update', { conversation_id, pinned: random() < 0.5, metadata: { a: { b: random() } } }],
    () => ['update', { conversation_id, messages: [known] }],
    () => ['update', { conversation_id, if_version: 2, title: 'Second' }],
    () => ['append', { conversation_id, message: message() }],
    () => ['append', { conversation_id, messages: [message(), message()] }],
    () => ['delete_messages', { conversation_id, message_ids: [known.id] }],
    () => ['delete', { conversation_id }],
    () => ['restore', { conversation_id }],
    () => ['purge', { conversation_id }],
  ])()
}

/** One case for each command of a random history: the change, or the error, is the protocol's. */
const decisions = (seed: number, head: { seq: number }): ServerCase[] => {
  const random = numbersOf(seed)
  const ids = [newId(), newId()]
  const messages: string[] = []
  const told: WireChange[] = []
  const logs = new ReferenceLogs((change) => told.push(change))
  return Array.from({ length: STEPS }, (_, index): ServerCase => ({
    rule: 'decide',
    name: `command ${index + 1} of the history ${seed}`,
    async run(probe) {
      const [name, fields] = step(random, ids, messages)
      const from = told.length
      let expected: unknown
      try {
        logs.execute('conversations', name, fields)
        expected = told.slice(from).map(comparable)
      } catch (error) {
        if (!(error instanceof Fault)) throw error
        expected = error.code
      }
      const socket = await probe.shared('conversations')
      const ack = await socket.command(name, fields)
      const range = ack.ok && (await socket.range(head.seq + 1, head.seq + 10))
      const made = range && range.ok ? range.data.changes.map(comparable) : []
      head.seq += made.length
      const found = ack.ok ? made : ack.error.code
      expect(equalJson(found, expected), `${name} makes ${JSON.stringify(expected)}`, found)
    },
  }))
}

/** All of them are about the log of one user, one after the other. */
function decisionsOf(seeds: readonly number[]): ServerCase[] {
  const head = { seq: 0 }
  return seeds.flatMap((seed) => decisions(seed, head))
}

export const logCases = (seeds: readonly number[]): ServerCase[] => [
  ...contiguous,
  ...once,
  closed,
  ...decisionsOf(seeds),
]
