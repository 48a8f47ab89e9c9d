// A server that a client under test connects to: HTTP and sockets of one user on the loopback
// interface, with a wire that a case can disturb.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server, type Socket } from 'socket.io'
import { summaryOf } from '@lockstep/protocol/decide/conversations'
import { existingRecord } from '@lockstep/protocol/decide/records'
import { errors } from '@lockstep/protocol/error-codes'
import { Fault, toProblem } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { Handshake } from '@lockstep/protocol/sync'
import { topics, type Topic } from '@lockstep/protocol/topics'
import { ReferenceLogs } from './reference-logs.ts'

/** Something that the server sends to a device. */
export interface Frame {
  topic: Topic
  /** `ack`: the answer to a command. */
  event: 'sync' | 'change' | 'head' | 'ack' | 'range'
  payload: unknown
}

/** What arrives in place of a frame. */
export type Wire = (frame: Frame) => readonly Frame[]

const undisturbed: Wire = (frame) => [frame]

export interface ReferenceServer {
  readonly origin: string
  readonly token: string
  readonly logs: ReferenceLogs
  wire: Wire
  /** A response to a request whose path has this text waits for the promise. */
  readonly holds: Map<string, Promise<void>>
  /** The paths of all requests. */
  readonly requests: string[]
  /** Why the server refuses everything, if it does. */
  refusal: Fault | undefined
  /** So many commands are lost on their way, and the line with them. */
  deaf: number
  /** Whether something on the way lets HTTP pass and no WebSocket. */
  blocksSockets: boolean
  /** Whose session the token belongs to now. */
  user: { id: string; username: string; created_at: string }
  /** Restores the wire and tells all devices where the logs end. */
  calm(): void
  /** Ends all WebSockets. */
  cut(): void
  stop(): Promise<void>
}

export async function startReferenceServer(): Promise<ReferenceServer> {
  const joined = new Map<Topic, Set<Socket>>(topics.map((topic) => [topic, new Set()]))
  const send = (frame: Frame, deliver: (frame: Frame) => void) => {
    for (const passed of server.wire(frame)) deliver(passed)
  }
  const broadcast = (topic: Topic, event: 'change' | 'head', payload: unknown) => {
    for (const socket of joined.get(topic)!)
      send({ topic, event, payload }, (passed) => {
        // a frame that was kept comes over the connection of its own topic
        const sockets = passed.topic === topic ? [socket] : joined.get(passed.topic)!
        for (const one of sockets) one.emit(passed.event, passed.payload)
      })
  }
  const logs = new ReferenceLogs((change) => broadcast(change.topic, 'change', change))
  const http = createServer((request, response) => void answer(request, response))
  const io = new Server(http, {
    transports: ['websocket'],
    serveClient: false,
    allowRequest: (_request, accept) => accept(null, !server.blocksSockets),
  })

  function check(token: unknown, user_id: unknown): void {
    if (server.refusal) throw server.refusal
    const isUser = user_id === undefined || user_id === server.user.id
    if (token !== server.token || !isUser) throw new Fault('unauthenticated')
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://reference')
    server.requests.push(`${request.method} ${pathname}`)
    let status = 200
    let body: unknown
    try {
      const { authorization = '', 'lockstep-user': user_id } = request.headers
      check(authorization.replace(/^Bearer /, ''), user_id)
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      body = found(pathname, searchParams, Buffer.concat(chunks).toString())
    } catch (error) {
      const fault = error instanceof Fault ? error : new Fault('internal')
      status = errors[fault.code].status
      body = toProblem(fault)
    }
    const text = JSON.stringify(body)
    for (const [part, release] of server.holds) if (pathname.includes(part)) await release
    response.writeHead(status, {
      'content-type': status === 200 ? 'application/json' : 'application/problem+json',
    })
    response.end(text)
  }

  function found(path: string, query: URLSearchParams, body: string): unknown {
    const account = logs.head('account')
    const used = { id: newId(), name: 'Conformance', scopes: ['read', 'write'] }
    if (path === '/users/me') return { user: server.user, session: null, token: used, ...account }
    if (path === '/users/me/sessions') return { items: [], ...account }
    if (path === '/users/me/drafts') return { items: [], next_cursor: null }
    if (path === '/users/me/preferences')
      return { ...logs.preferences, ...logs.head('preferences') }
    if (path === '/agents') return { items: [] }
    if (path === '/agent-runs') return { items: [], next_cursor: null, ...logs.head('agents') }
    if (path === '/conversations') {
      const items = logs.list(query.get('state') ?? 'active').map(summaryOf)
      return { items, next_cursor: null, ...logs.head('conversations') }
    }
    const [, kind, record] = /^\/records\/([^/]+)(?:\/([^/]+))?$/.exec(path) ?? []
    if (kind !== undefined && record !== undefined) return existingRecord(logs.record(record), kind)
    if (kind !== undefined)
      return { items: logs.records(kind), next_cursor: null, ...logs.head('records') }
    const [, id] = /^\/conversations\/([^/]+)$/.exec(path) ?? []
    if (id !== undefined) return logs.window(id, query)
    const [, topic, command] = /^\/topics\/(\w+)\/(?:changes|commands\/(\w+))$/.exec(path) ?? []
    if (!isTopic(topic)) throw new Fault('not_found')
    if (command !== undefined) return perform(topic, command, JSON.parse(body) as Payload)
    const [epoch, seq] = [query.get('epoch'), query.get('seq')]
    const since = epoch === null ? undefined : { epoch, seq: Number(seq) }
    return logs.syncs(topic, since)[0]
  }

  function perform(topic: Topic, name: string, payload: Payload): unknown {
    if (name !== 'range') return logs.command(topic, name, payload)
    const { from, to } = payload as { from: number; to: number }
    return { ok: true, data: logs.range(topic, from, to) }
  }

  for (const topic of topics) {
    const namespace = io.of(`/${topic}`)
    namespace.use((socket, next) => {
      const { token, user_id } = socket.handshake.auth as Handshake
      try {
        check(token, user_id)
        next()
      } catch (error) {
        const data = error instanceof Fault ? toProblem(error) : undefined
        next(Object.assign(new Error('refused'), { data }))
      }
    })
    namespace.on('connection', (socket) => {
      const { since } = socket.handshake.auth as Handshake
      for (const payload of logs.syncs(topic, since))
        send({ topic, event: 'sync', payload }, ({ event, payload }) => socket.emit(event, payload))
      joined.get(topic)!.add(socket)
      socket.on('disconnect', () => joined.get(topic)!.delete(socket))
      socket.onAny((name: string, payload: Payload, ack?: (answer: unknown) => void) => {
        const event = name === 'range' ? 'range' : 'ack'
        if (event === 'ack' && name !== 'viewing' && server.deaf > 0) {
          server.deaf--
          logs.received.push(String(payload.mutation_id))
          return server.cut()
        }
        send({ topic, event, payload: perform(topic, name, payload) }, (passed) =>
          passed.event === event
            ? ack?.(passed.payload)
            : socket.emit(passed.event, passed.payload),
        )
      })
    })
  }

  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const { port } = http.address() as AddressInfo
  const server: ReferenceServer = {
    origin: `http://127.0.0.1:${port}`,
    token: `lst_${'a'.repeat(43)}`,
    logs,
    wire: undisturbed,
    holds: new Map(),
    requests: [],
    refusal: undefined,
    deaf: 0,
    blocksSockets: false,
    user: logs.user,
    calm: () => {
      server.wire = undisturbed
      for (const topic of topics) broadcast(topic, 'head', logs.head(topic))
    },
    cut: () => {
      for (const topic of topics) io.of(`/${topic}`).disconnectSockets(true)
    },
    stop: async () => {
      await io.close()
    },
  }
  return server
}

type Payload = Record<string, unknown>

const isTopic = (name: string | undefined): name is Topic => topics.some((topic) => topic === name)
