// A plain WebSocket below Socket.IO, for frames that no client library would send.
import { once } from 'node:events'
import { within } from './eventually.ts'
import { Inbox } from './inbox.ts'

/**
 * An open connection; the test writes the frames of Engine.IO 4 itself. It closes at the end of its
 * scope.
 */
export class RawSocket implements Disposable {
  readonly #socket: WebSocket
  /** Every text frame, as an event named `frame`. */
  readonly inbox = new Inbox()
  /** Resolves when the connection has ended, whoever ended it. */
  readonly closed: Promise<unknown>

  private constructor(socket: WebSocket) {
    this.#socket = socket
    this.closed = once(socket, 'close')
    socket.addEventListener('message', ({ data }) => this.inbox.put('frame', data))
    socket.addEventListener('error', () => undefined)
  }

  static async open(url: string, headers: Record<string, string>): Promise<RawSocket> {
    const address = `${url.replace(/^http/, 'ws')}/socket.io/?EIO=4&transport=websocket`
    // Node's WebSocket accepts headers, but TypeScript has the browsers' type for it.
    const raw = new RawSocket(new WebSocket(address, { headers } as unknown as string[]))
    await within(15_000, 'opening a WebSocket', once(raw.#socket, 'open'))
    return raw
  }

  /** Opens a connection and joins a namespace with the frames of Socket.IO's protocol 5. */
  static async join(url: string, cookie: string, topic: string): Promise<RawSocket> {
    const raw = await RawSocket.open(url, { cookie })
    raw.send(`40/${topic},{"protocol":1}`)
    await raw.inbox.until<string>('frame', (frame) =>
      String(frame).startsWith(`42/${topic},["sync"`),
    )
    return raw
  }

  get open(): boolean {
    return this.#socket.readyState === WebSocket.OPEN
  }

  send(frame: string | Uint8Array<ArrayBuffer>): void {
    this.#socket.send(frame)
  }

  [Symbol.dispose](): void {
    this.#socket.close()
  }
}
