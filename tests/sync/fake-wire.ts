// The wire between one device and the fake server. It can be cut or slow, and it can lose,
// duplicate or reorder frames.
import { Fault, toProblem } from '@lockstep/protocol/errors'
import type { Cursor } from '@lockstep/protocol/cursor'
import type { Ack, Handshake, RangeRequest } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'
import type { SocketLike } from '@lockstep/client'
import { statusOf, type FakeServer, type Listener } from './fake-server.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface Faults {
  /** Milliseconds that a frame or a request takes, each way. Random delays reorder frames. */
  delay(what: string): number
  /** Whether this frame is lost. */
  drops(what: string): boolean
  /** Whether this frame arrives twice. */
  doubles(what: string): boolean
}

export const noFaults: Faults = { delay: () => 5, drops: () => false, doubles: () => false }

export class FakeWire {
  faults: Faults = noFaults
  readonly #server: FakeServer
  readonly #time: VirtualTime
  readonly #session_id: string
  readonly #sockets = new Set<FakeSocket>()
  /** How many polls came in place of a socket. */
  polls = 0
  #online = true
  /** Whether something on the way lets HTTP pass and no WebSocket. */
  #blocksSockets = false

  constructor(server: FakeServer, time: VirtualTime, session_id: string) {
    this.#server = server
    this.#time = time
    this.#session_id = session_id
  }

  get online(): boolean {
    return this.#online
  }

  readonly connect = (namespace: string, auth: () => Handshake): SocketLike => {
    const socket = new FakeSocket(
      this,
      this.#server,
      this.#session_id,
      namespace.slice(1) as Topic,
      auth,
    )
    this.#sockets.add(socket)
    return socket
  }

  readonly fetch = async (
    input: string | URL | Request,
    init: RequestInit = {},
  ): Promise<Response> => {
    const { pathname, searchParams } = new URL(String(input))
    await this.#travel('request')
    let answer: Response
    try {
      const holder = (init.headers as Record<string, string>)['lockstep-user']
      if (holder !== undefined && holder !== this.#server.signedInAs.id)
        throw new Fault('unauthenticated')
      const topic = /^\/topics\/(.*)$/.exec(pathname)
      answer = Response.json(
        topic
          ? this.#withoutSocket(topic[1]!, searchParams, init.body)
          : this.#server.get(pathname, searchParams, this.#session_id),
      )
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      answer = Response.json(toProblem(error), { status: statusOf(error) })
    }
    await this.#travel('response')
    init.signal?.throwIfAborted()
    return answer
  }

  get blocksSockets(): boolean {
    return this.#blocksSockets
  }

  blockSockets(): void {
    this.#blocksSockets = true
    this.cut()
  }

  unblockSockets(): void {
    this.#blocksSockets = false
  }

  /** Ends every connection; new ones succeed. */
  cut(): void {
    for (const socket of this.#sockets) socket.drop()
  }

  goOffline(): void {
    this.#online = false
    this.cut()
  }

  goOnline(): void {
    this.#online = true
  }

  /** Delivers later, perhaps twice, perhaps never. */
  carry(what: string, deliver: () => void): void {
    if (this.faults.drops(what)) return
    this.#time.setTimeout(deliver, this.faults.delay(what))
    if (this.faults.doubles(what)) this.#time.setTimeout(deliver, this.faults.delay(what))
  }

  /** The two routes of a device that no WebSocket reaches. Throws Fault. */
  #withoutSocket(path: string, query: URLSearchParams, body: unknown): unknown {
    this.polls += 1
    if (!this.#server.sessions.has(this.#session_id)) throw new Fault('unauthenticated')
    const [name, , command] = path.split('/') // <topic>/changes or <topic>/commands/<command>
    const topic = name as Topic
    if (command === undefined) {
      const listener = () => undefined
      const epoch = query.get('epoch')
      const since: Cursor | undefined =
        epoch === null ? undefined : { epoch, seq: Number(query.get('seq')) }
      const [first] = this.#server.join(topic, since, listener)
      this.#server.leave(topic, listener)
      return first
    }
    const payload = JSON.parse(String(body)) as Record<string, unknown>
    const answer: Ack =
      command === 'range'
        ? { ok: true, data: this.#server.range(topic, payload as unknown as RangeRequest) }
        : this.#server.command(topic, command, payload)
    if (!answer.ok) throw new Fault(answer.error.code, answer.error)
    return answer
  }

  async #travel(what: string): Promise<void> {
    await new Promise<void>((resolve) => this.#time.setTimeout(resolve, this.faults.delay(what)))
    if (!this.#online || this.faults.drops(what)) throw new TypeError('fetch failed')
  }
}

class FakeSocket implements SocketLike {
  readonly #wire: FakeWire
  readonly #server: FakeServer
  readonly #session_id: string
  readonly #topic: Topic
  readonly #auth: () => Handshake
  readonly #listeners = new Map<string, ((payload: unknown) => void)[]>()
  /** Counts the connections: a frame of an earlier connection arrives nowhere. */
  #connection = 0
  #connected = false
  #leave = () => {}

  constructor(
    wire: FakeWire,
    server: FakeServer,
    session_id: string,
    topic: Topic,
    auth: () => Handshake,
  ) {
    this.#wire = wire
    this.#server = server
    this.#session_id = session_id
    this.#topic = topic
    this.#auth = auth
  }

  on(event: string, listener: (payload: unknown) => void): void {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener])
  }

  connect(): void {
    const connection = ++this.#connection
    const auth = this.#auth()
    const arrive = (event: string, payload: unknown) => () => {
      if (this.#connection === connection) this.#tell(event, payload)
    }
    const refuse = (data?: object) => this.#wire.carry('refusal', arrive('connect_error', { data }))
    if (!this.#wire.online || this.#wire.blocksSockets) return refuse()
    if (!this.#server.sessions.has(this.#session_id) || auth.user_id !== this.#server.signedInAs.id)
      return refuse(toProblem(new Fault('unauthenticated')))
    this.#connected = true
    const hear: Listener = (event, payload) => this.#wire.carry(event, arrive(event, payload))
    const pieces = this.#server.join(this.#topic, auth.since, hear)
    this.#leave = () => this.#server.leave(this.#topic, hear)
    for (const piece of pieces) this.#wire.carry('sync', arrive('sync', piece))
  }

  disconnect(): void {
    this.#connection++
    this.#connected = false
    this.#leave()
  }

  /** Breaks the connection. */
  drop(): void {
    if (!this.#connected) return
    this.disconnect()
    this.#tell('disconnect', 'transport close')
  }

  emit(event: string, payload: unknown, ack: (answer: unknown) => void): void {
    const connection = this.#connection
    this.#wire.carry('command', () => {
      if (this.#connection !== connection) return
      const answer: Ack =
        event === 'range'
          ? { ok: true, data: this.#server.range(this.#topic, payload as RangeRequest) }
          : this.#server.command(this.#topic, event, payload as Record<string, unknown>)
      this.#wire.carry('ack', () => {
        if (this.#connection === connection) ack(JSON.parse(JSON.stringify(answer)))
      })
    })
  }

  #tell(event: string, payload: unknown): void {
    const copy: unknown = event === 'connect_error' ? payload : JSON.parse(JSON.stringify(payload))
    for (const listener of this.#listeners.get(event) ?? []) listener(copy)
  }
}
