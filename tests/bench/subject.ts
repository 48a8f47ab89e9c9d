// What is measured: Lockstep on one node or on two, or the floor, which the same devices use in the
// same way. Servers and database are processes of their own; this process is the load.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Manager, type Socket } from 'socket.io-client'
import { inject } from 'vitest'
import type { Cursor } from '@lockstep/protocol/cursor'
import { newId } from '@lockstep/protocol/ids'
import type { Sync } from '@lockstep/protocol/sync'
import { PROTOCOL } from '@lockstep/protocol/version'
import type { Topic } from '@lockstep/protocol/topics'
import { Cluster } from '../cluster/cluster.ts'
import { bulkUsersEnv, createUsers, inBatches } from '../cluster/bulk-users.ts'
import { freshDatabase } from '../harness/database.ts'
import { spawnNode } from '../harness/node.ts'
import type { Person } from '../harness/person.ts'
import { startProcess } from '../harness/processes.ts'
import type { SubjectName } from './table.ts'

/** A signed-in user with a conversation. */
export interface BenchUser {
  id: string
  conversation_id: string
  /** Absent for a user of the floor. */
  person?: Person
  cookie?: string
}

export interface Subject extends AsyncDisposable {
  name: SubjectName
  /** The process ids of its servers. */
  pids: readonly number[]
  /** The addresses of its servers. */
  urls: readonly string[]
  /** @param idle they will write nothing */
  users(count: number, options?: { idle?: boolean }): Promise<BenchUser[]>
}

/** The process id of the database, if it runs on this machine. */
export const databasePid = (): number | undefined => inject('databasePid')

export async function startFloor(): Promise<Subject> {
  const stack = new AsyncDisposableStack()
  const database = stack.use(freshDatabase())
  const server = stack.use(
    await startProcess({
      command: process.execPath,
      args: [join(import.meta.dirname, 'floor-server.ts')],
      env: { MONGODB_URL: database.url },
    }),
  )
  const [url] = /http:\S+/.exec(await server.line(/is at http:/, { within: 60_000 })) ?? []
  return {
    name: 'floor',
    pids: [server.pid],
    urls: [url!],
    users: (count) =>
      Promise.resolve(
        Array.from({ length: count }, () => ({ id: newId(), conversation_id: newId() })),
      ),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** Limits that are there for people and not for a load. */
const env = { ...bulkUsersEnv, LOG_LEVEL: 'silent', DEVICES_PER_USER: '20000' }

export async function startLockstep(
  name: SubjectName = 'node',
  settings: Record<string, string> = {},
): Promise<Subject> {
  const stack = new AsyncDisposableStack()
  const database = stack.use(freshDatabase())
  const node = stack.use(await spawnNode(database, { ...env, ...settings }))
  return {
    name,
    pids: [node.process.pid],
    urls: [node.url],
    users: (count, options) => usersOf(database.url, [node.url], count, options),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** Two nodes with a Redis: each user's second device is on the other node. */
export async function startTwoNodes(): Promise<Subject> {
  const { REDIS_URL } = process.env
  const cluster = await Cluster.start(2, {
    env: () => ({ ...env, ...(REDIS_URL && { REDIS_URL }) }),
  })
  const urls = cluster.nodes.map(({ url }) => url)
  return {
    name: 'two nodes',
    pids: cluster.nodes.map(({ process }) => process.pid),
    urls,
    users: (count, options) => usersOf(cluster.databaseUrl, urls, count, options),
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  }
}

async function usersOf(
  databaseUrl: string,
  urls: readonly string[],
  count: number,
  { idle = false }: { idle?: boolean } = {},
): Promise<BenchUser[]> {
  const people = await createUsers(databaseUrl, count, () => urls[0]!)
  return inBatches(count, async (index) => {
    const { user, cookie } = people[index]!
    const conversation_id = idle ? newId() : await startConversation(people[index]!)
    return { id: user.id, conversation_id, person: people[index]!, cookie }
  })
}

const startConversation = async (person: Person): Promise<string> =>
  (await person.ask('createConversation', { body: {} })).id

export interface BenchDevice {
  /** In the first of its topics. */
  socket: Socket
  /** How many changes it has received. */
  readonly received: number
  close(): void
}

export interface JoinOptions {
  /** Chooses the server. */
  at?: number
  /** The device holds everything up to here. */
  since?: Cursor
  /** How many changes after `since` the device waits for. */
  behind?: number
}

/** Connects a device. Resolves when each topic has synced, and with what was to be caught up. */
export async function openDevice(
  subject: Subject,
  user: BenchUser,
  topics: readonly Topic[],
  { at = 0, since, behind = 0 }: JoinOptions = {},
): Promise<BenchDevice> {
  const manager = new Manager(subject.urls[at % subject.urls.length]!, {
    transports: ['websocket'],
    extraHeaders: user.cookie ? { cookie: user.cookie } : {},
    reconnection: false,
  })
  let received = 0
  const sockets = topics.map((topic) =>
    manager.socket(`/${topic}`, { auth: { protocol: PROTOCOL, user_id: user.id, since } }),
  )
  const joined = sockets.map((socket) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    socket.on('change', () => received++)
    socket.on('sync', ({ to, changes = [] }: Partial<Sync>) => {
      received += changes.length
      // the floor can't catch up, so its device has what it will ever have
      if (!since || to === undefined || to >= since.seq + behind) resolve()
    })
    socket.once('connect_error', reject)
    socket.connect()
    return promise
  })
  await Promise.all(joined)
  return {
    socket: sockets[0]!,
    get received() {
      return received
    },
    close: () => {
      for (const socket of sockets) socket.disconnect()
    },
  }
}

/** The head of the user's conversations; the floor has none, so its devices begin anywhere. */
export async function positionOf({ person }: BenchUser): Promise<Cursor> {
  if (!person) return { epoch: 'none', seq: 0 }
  const { epoch, seq } = await person.ask('listConversations', { query: { limit: 1 } })
  return { epoch, seq }
}

/** Appends many messages to a user's conversation, some hundred at a time. */
export async function fill({ person, conversation_id }: BenchUser, count: number): Promise<void> {
  const messages = Array.from({ length: 500 }, () => ({ role: 'user' as const, content: text }))
  for (let present = 0; present < count; present += messages.length)
    await person!.ask('appendMessages', { params: { id: conversation_id }, body: { messages } })
}

const text =
  'A message of an ordinary length, as people write them: about a hundred characters, give or take'

/** Appends a message that says when it was sent. Resolves with the ack. */
export async function append({ socket }: BenchDevice, user: BenchUser): Promise<void> {
  const sent = performance.now().toFixed(3)
  const command = {
    mutation_id: newId(),
    conversation_id: user.conversation_id,
    message: { role: 'user', content: `${text} ${sent}` },
  }
  const floor = { content: text, sent }
  const ack = (await socket
    .timeout(20_000)
    .emitWithAck('append', user.cookie ? command : floor)) as { ok: boolean }
  if (!ack.ok) throw new Error(`an append was refused: ${JSON.stringify(ack)}`)
}

/** Calls back with the time that each message took to this device (ms). */
export function watch({ socket }: BenchDevice, arrived: (ms: number) => void): void {
  socket.on('change', (change: { sent?: string; data?: { messages?: { content: string }[] } }) => {
    const sent = change.sent ?? change.data?.messages?.[0]?.content.slice(text.length + 1)
    if (sent !== undefined) arrived(performance.now() - Number(sent))
  })
}

/** The processor time of processes so far (ms); the kernel counts hundredths of a second. */
export const cpuMs = (pids: readonly number[]): number => cpuOf(pids.map((pid) => `${pid}`))

/** The same of their main threads alone. */
export const mainThreadMs = (pids: readonly number[]): number =>
  cpuOf(pids.map((pid) => `${pid}/task/${pid}`))

function cpuOf(tasks: readonly string[]): number {
  let ticks = 0
  for (const task of tasks) {
    const fields = readFileSync(`/proc/${task}/stat`, 'utf8').split(') ').at(-1)!.split(' ')
    ticks += Number(fields[11]) + Number(fields[12])
  }
  return ticks * 10
}

/** The resident memory of processes (KiB). */
export function residentKib(pids: readonly number[]): number {
  let pages = 0
  for (const pid of pids) pages += Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
  return pages * 4
}
