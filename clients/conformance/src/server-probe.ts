// One user of the server under test: requests over HTTP, and bare sockets that keep everything that
// they receive.
import { io, type Socket } from 'socket.io-client'
import type { WireChange } from '@lockstep/protocol/change'
import type { Cursor } from '@lockstep/protocol/cursor'
import { newId } from '@lockstep/protocol/ids'
import type { Ack, RangeAnswer, Sync } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'
import { Deviation } from './cases.ts'

type JsonRecord = Record<string, unknown>

export interface Answer {
  status: number
  headers: Headers
  body: JsonRecord
}

/** Something that a socket has received, in order. */
export type Received =
  | { event: 'sync'; payload: Sync }
  | { event: 'change'; payload: WireChange }
  | { event: 'head'; payload: Cursor }
  | { event: 'disconnect'; payload: undefined }
  | { event: 'other'; payload: unknown }

/** Throws Deviation unless it holds. */
export function expect(holds: boolean, what: string, seen?: unknown): asserts holds {
  if (!holds) throw new Deviation(seen === undefined ? what : `${what}: ${JSON.stringify(seen)}`)
}

class ProbeSocket {
  readonly received: Received[] = []
  /** The problem of a refused handshake. */
  refusal: JsonRecord | undefined
  readonly #socket: Socket
  readonly #within: number
  #wake = () => {}

  constructor(socket: Socket, within: number) {
    this.#socket = socket
    this.#within = within
    const take = (one: Received) => {
      this.received.push(one)
      this.#wake()
    }
    socket.onAny((event: string, payload: unknown) => {
      const isKnown = event === 'sync' || event === 'change' || event === 'head'
      // the kit judges what these contain
      take({ event: isKnown ? event : 'other', payload } as Received)
    })
    socket.on('disconnect', () => take({ event: 'disconnect', payload: undefined }))
    socket.on('connect_error', (error: Error & { data?: JsonRecord }) => {
      this.refusal = error.data ?? {}
      this.#wake()
    })
  }

  /** Whether the server has given this connection a private id, which would recover its state. */
  get offersRecovery(): boolean {
    return Object.hasOwn(this.#socket, '_pid') && Reflect.get(this.#socket, '_pid') !== undefined
  }

  /** Waits until something that was received, or the refusal, makes this true. */
  async until<T>(
    what: string,
    find: () => T | undefined | false,
    within = this.#within,
  ): Promise<T> {
    const end = performance.now() + within
    for (;;) {
      const found = find()
      if (found !== undefined && found !== false) return found
      const left = end - performance.now()
      if (left <= 0) throw new Deviation(`not within ${within} ms: ${what}`)
      let timer: ReturnType<typeof setTimeout> | undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        timer = setTimeout(resolve, left)
      })
      clearTimeout(timer)
    }
  }

  sync(): Promise<Sync> {
    return this.until('a sync', () => this.#first('sync')?.payload as Sync | undefined)
  }

  /** All changes, of syncs and live ones, up to this one. */
  async changesUpTo(seq: number): Promise<WireChange[]> {
    const all = () =>
      this.received.flatMap((one) =>
        one.event === 'sync' ? one.payload.changes : one.event === 'change' ? [one.payload] : [],
      )
    await this.until(`change ${seq}`, () => all().some((change) => change.seq >= seq))
    return all()
  }

  command(name: string, payload: object = {}): Promise<Ack<JsonRecord>> {
    return this.#emit(name, { mutation_id: newId(), ...payload })
  }

  range(from: number, to: number): Promise<Ack<RangeAnswer>> {
    return this.#emit('range', { from, to })
  }

  /** Joins the namespace of this socket once more, on the same connection. */
  joinAgain(): void {
    const { nsp } = this.#socket as unknown as { nsp: string }
    this.#socket.io.engine.write(`0${nsp},${JSON.stringify(this.#socket.auth)}`)
  }

  close(): void {
    this.#socket.disconnect()
    this.#socket.io.engine?.close()
  }

  #first(event: Received['event']): Received | undefined {
    return this.received.find((one) => one.event === event)
  }

  async #emit<Data>(name: string, payload: object): Promise<Ack<Data>> {
    try {
      return (await this.#socket.timeout(this.#within).emitWithAck(name, payload)) as Ack<Data>
    } catch {
      throw new Deviation(`no ack of ${name} within ${this.#within} ms`)
    }
  }
}

export class Probe {
  readonly url: string
  readonly username = `conformance-${newId().slice(-12)}`
  readonly password = newId()
  user_id = ''
  session_id = ''
  /** How long the server may take for what a case waits for; milliseconds. */
  readonly within: number
  readonly #sockets: ProbeSocket[]
  #cookie = ''
  readonly #shared = new Map<Topic, Promise<ProbeSocket>>()

  constructor(url: string, within: number, sockets: ProbeSocket[] = []) {
    this.url = url.replace(/\/+$/, '')
    this.within = within
    this.#sockets = sockets
  }

  /** A new account. Throws Deviation if the server makes none. */
  static async register(url: string, within: number): Promise<Probe> {
    const probe = new Probe(url, within)
    await probe.#enter('/auth/register', 201)
    return probe
  }

  /** Another session of the same user. */
  async signIn(): Promise<Probe> {
    const other = new Probe(this.url, this.within, this.#sockets)
    Object.assign(other, { username: this.username, password: this.password })
    await other.#enter('/auth/login', 200)
    return other
  }

  async #enter(path: string, status: number): Promise<void> {
    const { username, password } = this
    const answer = await this.ask('POST', path, { username, password })
    expect(answer.status === status, `POST ${path} is ${status}`, answer.body)
    const { user, session } = answer.body as Record<'user' | 'session', { id: string }>
    this.user_id = user.id
    this.session_id = session.id
    this.#cookie = (answer.headers.get('set-cookie') ?? '').split(';')[0]!
  }

  async ask(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        ...(this.#cookie !== '' && { cookie: this.#cookie }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = /json/.test(response.headers.get('content-type') ?? '')
    return {
      status: response.status,
      headers: response.headers,
      body: isJson ? (JSON.parse(text) as JsonRecord) : {},
    }
  }

  /** A socket that has joined, or was refused. */
  async join(topic: string, auth: object = {}, headers: Record<string, string> = {}) {
    const socket = io(`${this.url}/${topic}`, {
      transports: ['websocket'],
      reconnection: false,
      forceNew: true,
      auth: { protocol: 1, ...auth },
      extraHeaders: { cookie: this.#cookie, ...headers },
    })
    const probe = new ProbeSocket(socket, this.within)
    this.#sockets.push(probe)
    await probe.until('the handshake', () => socket.connected || probe.refusal !== undefined)
    return probe
  }

  /** One socket for many cases. */
  shared(topic: Topic): Promise<ProbeSocket> {
    const known = this.#shared.get(topic) ?? this.join(topic)
    this.#shared.set(topic, known)
    return known
  }

  async cursor(topic: Topic): Promise<Cursor> {
    const path = topic === 'preferences' ? '/users/me/preferences' : '/conversations'
    const { epoch, seq } = (await this.ask('GET', topic === 'account' ? '/users/me' : path)).body
    return { epoch: String(epoch), seq: Number(seq) }
  }

  end(): void {
    for (const socket of this.#sockets) socket.close()
  }
}

/** One thing that a server must do. The cases of one rule share a user. */
export interface ServerCase {
  rule: string
  name: string
  run(probe: Probe): Promise<void>
}
