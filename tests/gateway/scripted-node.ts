// A gateway on a real HTTP server, with a scripted log and scripted sessions. The sockets are real;
// the test controls everything that the gateway reads.
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo, Socket as NetSocket } from 'node:net'
import { Registry } from 'prom-client'
import { io, type Socket } from 'socket.io-client'
import { Fault } from '@lockstep/protocol/errors'
import type { Problem } from '@lockstep/protocol/problem'
import { newId } from '@lockstep/protocol/ids'
import type { WireChange } from '@lockstep/protocol/change'
import type { Presence, Sync } from '@lockstep/protocol/sync'
import type { Trace } from '@lockstep/protocol/traces'
import type { Execute } from '../../realtime/commands/commands.ts'
import { AnswerBudget } from '../../realtime/auth/answer-budget.ts'
import { httpSettings } from '../../realtime/http/settings.ts'
import { startGateway, type GatewayDeps } from '../../realtime/gateway/gateway.ts'
import { gatewaySettings, type GatewaySettings } from '../../realtime/gateway/settings.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { ScriptedLog } from './scripted-log.ts'

type SettingsOverrides = Partial<Omit<GatewaySettings, 'timings'>> & {
  timings?: Partial<GatewaySettings['timings']>
}

export interface ScriptedNodeOptions {
  settings?: SettingsOverrides
  log?: ScriptedLog
  execute?: Execute
  also?: Partial<GatewayDeps>
  sessions?: ScriptedSessions
}

/** Sessions in memory. The cookie of a session is `session=<id>`. */
export class ScriptedSessions {
  readonly #sessions = new Map<string, { user_id: string; expires_at: Date }>()
  /** While true, every read fails as if the database were away. */
  away = false
  /** Called before each read of whether sessions are alive. */
  onAlive: () => void = () => undefined

  signIn(user_id: string = newId(), expires_at = new Date(Date.now() + 3_600_000)) {
    const session_id = newId()
    this.#sessions.set(session_id, { user_id, expires_at })
    return { user_id, session_id, cookie: `session=${session_id}` }
  }

  prolong(session_id: string, expires_at: Date): void {
    this.#sessions.get(session_id)!.expires_at = expires_at
  }

  revoke(session_id: string): void {
    this.#sessions.delete(session_id)
  }

  async identify(cookieHeader: string | undefined) {
    if (this.away) throw new Fault('unavailable')
    const session_id = /session=([^;]+)/.exec(cookieHeader ?? '')?.[1] ?? ''
    const session = this.#sessions.get(session_id)
    return session && { ...session, session_id, device: 'Test on Linux' }
  }

  async alive(ids: readonly string[]) {
    this.onAlive()
    if (this.away) throw new Fault('unavailable')
    const known = ids.filter((id) => this.#sessions.has(id))
    return new Map(known.map((id) => [id, this.#sessions.get(id)!.expires_at]))
  }
}

/** Starts a gateway. `await using` stops it and disconnects its clients. */
export async function startScriptedNode(options: ScriptedNodeOptions = {}) {
  const { log = new ScriptedLog(), sessions = new ScriptedSessions() } = options
  const httpServer = createServer((_request, response) => response.writeHead(404).end())
  const metrics = new Registry()
  const gateway = startGateway({
    httpServer,
    sessions: {
      identify: (cookie) => sessions.identify(cookie),
      alive: (ids) => sessions.alive(ids),
    },
    originAllowed: ({ headers: { origin } }) =>
      origin === undefined || origin === 'https://here.example',
    addressOf: ({ socket }) => socket.remoteAddress ?? '',
    log,
    execute: options.execute ?? (() => Promise.reject(new Fault('not_found'))),
    answerBudget: new AnswerBudget(httpSettings.answerBytes),
    toFault: (error) => (error instanceof Fault ? error : new Fault('internal', {}, error)),
    logger: createLogger('silent'),
    metrics,
    settings: {
      ...gatewaySettings,
      ...options.settings,
      timings: {
        ...gatewaySettings.timings,
        grace: 10,
        retry: [5, 50],
        ...options.settings?.timings,
      },
    },
    ...options.also,
  })
  httpServer.listen(0, '127.0.0.1')
  await once(httpServer, 'listening')
  const { port } = httpServer.address() as AddressInfo
  const clients: SocketClient[] = []

  const node = {
    gateway,
    httpServer,
    log,
    sessions,
    metrics,
    port,
    url: `http://127.0.0.1:${port}`,
    /** Returns a client that has begun to connect. */
    connect(
      topic: string,
      cookie: string | undefined,
      auth: object = { protocol: 1 },
      headers: object = {},
      throughPort = port,
    ): SocketClient {
      const extraHeaders = { ...(cookie && { cookie }), ...headers }
      const socket = io(`http://127.0.0.1:${throughPort}/${topic}`, {
        transports: ['websocket'],
        reconnection: false,
        forceNew: true,
        auth,
        extraHeaders,
      })
      const client = new SocketClient(socket)
      clients.push(client)
      return client
    },
    /** Returns a client that has received its first `sync`. */
    async join(
      topic: string,
      cookie: string,
      auth: object = {},
      throughPort = port,
    ): Promise<SocketClient> {
      const client = node.connect(topic, cookie, { protocol: 1, ...auth }, {}, throughPort)
      await client.next('sync')
      return client
    },
    async metric(name: string): Promise<number> {
      const found = await metrics.getSingleMetric(name)?.get()
      return found?.values.reduce((sum, { value }) => sum + value, 0) ?? 0
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.socket.disconnect()
      await gateway.stop()
      httpServer.closeAllConnections()
      httpServer.close()
    },
  }
  return node
}
export type ScriptedNode = Awaited<ReturnType<typeof startScriptedNode>>

/** The TCP socket under a client. */
export const tcpOf = (client: SocketClient) =>
  (client.socket.io.engine.transport as unknown as { ws: { _socket: NetSocket } }).ws._socket

interface EventPayloads {
  sync: Sync
  change: WireChange
  head: { epoch: string; seq: number }
  delta: { text: string }
  presence: Presence
  trace: Trace
  draining: { reconnect_within_ms: number }
  connect_error: Error & { data?: Problem }
  disconnect: string
}

/** A client socket that records everything it receives, in order. */
export class SocketClient {
  readonly socket: Socket
  readonly seen: { event: string; payload: unknown }[] = []
  readonly #taken = new Set<object>()
  #wake = Promise.withResolvers<void>()

  constructor(socket: Socket) {
    this.socket = socket
    const record = (event: string) => (payload: unknown) => {
      this.seen.push({ event, payload })
      this.#wake.resolve()
      this.#wake = Promise.withResolvers<void>()
    }
    for (const event of ['sync', 'change', 'head', 'delta', 'presence', 'trace', 'draining'])
      socket.on(event, record(event))
    socket.on('connect_error', record('connect_error'))
    socket.on('disconnect', record('disconnect'))
  }

  /** Returns the next event of this kind that no earlier call has returned. Waits for it. */
  async next<Event extends keyof EventPayloads>(
    event: Event,
    withinMs = 15_000,
  ): Promise<EventPayloads[Event]> {
    const deadline = AbortSignal.timeout(withinMs)
    const timeout = new Promise<void>((resolve) =>
      deadline.addEventListener('abort', () => resolve()),
    )
    for (;;) {
      const found = this.seen.find((item) => item.event === event && !this.#taken.has(item))
      if (found) {
        this.#taken.add(found)
        return found.payload as EventPayloads[Event]
      }
      if (deadline.aborted)
        throw new Error(`no ${event} within ${withinMs} ms; seen: ${this.eventNames().join(' ')}`)
      await Promise.race([this.#wake.promise, timeout])
    }
  }

  eventNames(): string[] {
    return this.seen.map(({ event }) => event)
  }

  request(
    event: string,
    ...args: unknown[]
  ): Promise<{ ok: boolean; data?: unknown; error?: { code: string } }> {
    return this.socket.timeout(15_000).emitWithAck(event, ...args)
  }
}
