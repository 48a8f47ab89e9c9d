// The page's connection to the server: as much of Socket.IO's protocol as the server speaks, which
// is texts over a WebSocket. socket.io-client does more, and would be a tenth of the first load.
import type { Connect, SocketLike } from '@lockstep/client'
import type { Handshake } from '@lockstep/protocol/sync'

/** The packets of Engine.IO 4. */
const OPEN = '0'
const CLOSE = '1'
const PING = '2'
const PONG = '3'
const MESSAGE = '4'
/** The packets of Socket.IO 5, which are its messages. */
const CONNECT = '0'
const DISCONNECT = '1'
const EVENT = '2'
const ACK = '3'
const CONNECT_ERROR = '4'

/** An attempt to open the WebSocket ends after this long; milliseconds. */
const OPEN_TIMEOUT = 10_000

type Listener = (payload: unknown) => void

/**
 * Sockets to the server that delivered the page, which serves everything under `basePath`. All of
 * them share one WebSocket.
 */
export function connectByWebSocket(basePath: string): Connect {
  const line = new Line(basePath)
  return (namespace, auth) => new NamespaceSocket(namespace, auth, line)
}

/** The WebSocket. It is open as long as a namespace wants it. */
class Line {
  readonly #path: string
  readonly #members = new Map<string, NamespaceSocket>()
  #socket: WebSocket | undefined
  #isOpen = false
  /** So long the server may say nothing, not even a ping; milliseconds. */
  #patience = OPEN_TIMEOUT
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(basePath: string) {
    this.#path = `${basePath}/socket.io/?EIO=4&transport=websocket`
  }

  enter(member: NamespaceSocket): void {
    this.#members.set(member.namespace, member)
    if (this.#isOpen) member.opened()
    else if (!this.#socket) this.#open()
  }

  /** Whether the namespace was on the line. */
  leave(member: NamespaceSocket): boolean {
    const was = this.#members.delete(member.namespace)
    if (was) member.left()
    if (this.#members.size === 0) this.#end()
    return was
  }

  /** A message is lost if the line isn't open, as are those that are under way when it closes. */
  send(type: string, namespace: string, content: string): void {
    if (this.#isOpen) this.#socket?.send(`${MESSAGE}${type}${namespace},${content}`)
  }

  #open(): void {
    const url = new URL(this.#path, location.href)
    url.protocol = url.protocol.replace('http', 'ws')
    const socket = new WebSocket(url)
    this.#socket = socket
    this.#patience = OPEN_TIMEOUT
    this.#wait()
    socket.onmessage = ({ data }) => {
      if (socket === this.#socket) this.#receive(String(data))
    }
    socket.onclose = () => {
      if (socket === this.#socket) this.#end()
    }
    // A browser notices only much later that the WebSocket of a device without a network is dead.
    addEventListener('offline', this.#end)
  }

  readonly #end = (): void => {
    const [socket, wasOpen, members] = [this.#socket, this.#isOpen, [...this.#members.values()]]
    clearTimeout(this.#timer)
    removeEventListener('offline', this.#end)
    this.#socket = undefined
    this.#isOpen = false
    this.#members.clear()
    socket?.close()
    for (const member of members) {
      member.left()
      member.tell(wasOpen ? 'disconnect' : 'connect_error', new Error('lost'))
    }
  }

  #wait(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#end, this.#patience)
  }

  #receive(packet: string): void {
    const content = packet.slice(1)
    let handle: () => void
    try {
      handle = this.#handlerOf(packet[0], content)
    } catch {
      // It isn't the protocol: nobody knows what was lost.
      return this.#end()
    }
    handle()
  }

  #handlerOf(type: string | undefined, content: string): () => void {
    if (type === OPEN) {
      const { pingInterval, pingTimeout } = JSON.parse(content) as Record<string, number>
      return () => {
        this.#patience = (pingInterval ?? 0) + (pingTimeout ?? 0)
        this.#isOpen = true
        this.#wait()
        for (const member of [...this.#members.values()]) member.opened()
      }
    }
    if (type === PING)
      return () => {
        this.#socket?.send(PONG)
        this.#wait()
      }
    if (type === MESSAGE) {
      const [head = '', kind, namespace = '', id] = /^(\d)(\/[^,]*)?,?(\d*)/.exec(content) ?? []
      const text = content.slice(head.length)
      const payload: unknown = text === '' ? undefined : JSON.parse(text)
      return () => {
        const member = this.#members.get(namespace)
        if (!member) return
        if (kind === CONNECT) member.joined()
        else if (kind === EVENT && Array.isArray(payload))
          member.tell(String(payload[0]), payload[1])
        else if (kind === ACK && Array.isArray(payload)) member.acked(Number(id), payload[0])
        else if (kind === DISCONNECT && this.leave(member)) member.tell('disconnect', undefined)
        else if (kind === CONNECT_ERROR && this.leave(member))
          member.tell('connect_error', Object.assign(new Error('Refused'), payload))
      }
    }
    return type === CLOSE ? this.#end : () => {}
  }
}

class NamespaceSocket implements SocketLike {
  readonly namespace: string
  readonly #auth: () => Handshake
  readonly #line: Line
  readonly #listeners = new Map<string, Listener[]>()
  readonly #acks = new Map<number, Listener>()
  #lastAck = 0
  #isJoined = false

  constructor(namespace: string, auth: () => Handshake, line: Line) {
    this.namespace = namespace
    this.#auth = auth
    this.#line = line
  }

  on(event: string, listener: Listener): void {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener])
  }

  emit(event: string, payload: unknown, ack: Listener): void {
    const id = ++this.#lastAck
    this.#acks.set(id, ack)
    this.#send(EVENT, `${id}${JSON.stringify([event, payload])}`)
  }

  connect(): void {
    this.#line.enter(this)
  }

  disconnect(): void {
    this.#send(DISCONNECT, '')
    if (this.#line.leave(this)) this.tell('disconnect', undefined)
  }

  opened(): void {
    this.#line.send(CONNECT, this.namespace, JSON.stringify(this.#auth()))
  }

  joined(): void {
    this.#isJoined = true
  }

  /** No ack can come any more. */
  left(): void {
    this.#isJoined = false
    this.#acks.clear()
  }

  acked(id: number, response: unknown): void {
    const ack = this.#acks.get(id)
    this.#acks.delete(id)
    ack?.(response)
  }

  tell(event: string, payload: unknown): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(payload)
  }

  /** The server ends a line on which a namespace speaks that hasn't joined. */
  #send(type: string, content: string): void {
    if (this.#isJoined) this.#line.send(type, this.namespace, content)
  }
}
