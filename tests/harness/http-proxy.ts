// An HTTP proxy as careless operators set it up: it passes requests on and no `Upgrade`, unless it
// is told to. So pages behind it work, and their WebSockets don't.
import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { Tunnels } from './tunnels.ts'

export class HttpProxy implements AsyncDisposable {
  readonly #server: Server
  readonly #target: URL
  readonly #tunnels = new Tunnels()
  passesUpgrades = false

  private constructor(target: string) {
    this.#target = new URL(target)
    this.#server = createServer((incoming, outgoing) => {
      const { connection: _connection, ...headers } = incoming.headers
      const { method, url } = incoming
      const { hostname, port } = this.#target
      const passed = request({ hostname, port, method, path: url, headers }, (response) => {
        outgoing.writeHead(response.statusCode ?? 502, response.headers)
        response.pipe(outgoing)
      })
      passed.on('error', () => outgoing.writeHead(502).end())
      incoming.pipe(passed)
    })
    this.#server.on('upgrade', (incoming: IncomingMessage, socket: Socket, head: Buffer) =>
      this.passesUpgrades ? this.#tunnel(incoming, socket, head) : this.#refuse(incoming, socket),
    )
  }

  static async to(target: string): Promise<HttpProxy> {
    const proxy = new HttpProxy(target)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Ends the WebSockets that pass; new ones depend on `passesUpgrades`. */
  endTunnels(): void {
    this.#tunnels.end()
  }

  /** Passes the request on without its `Upgrade`; the server then refuses it. */
  #refuse({ url, headers }: IncomingMessage, socket: Socket): void {
    const { connection: _connection, upgrade: _upgrade, ...rest } = headers
    const { hostname, port } = this.#target
    const passed = request({ hostname, port, path: url, headers: rest }, (response) => {
      response.resume()
      socket.end(`HTTP/1.1 ${response.statusCode} Refused\r\nConnection: close\r\n\r\n`)
    })
    passed.on('error', () => socket.destroy())
    socket.on('error', () => socket.destroy())
    passed.end()
  }

  #tunnel({ url, rawHeaders }: IncomingMessage, near: Socket, head: Buffer): void {
    const far = connect(Number(this.#target.port), this.#target.hostname)
    const lines = Array.from({ length: rawHeaders.length / 2 }, (_, at) =>
      rawHeaders.slice(2 * at, 2 * at + 2).join(': '),
    )
    far.write(`GET ${url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
    far.write(head)
    this.#tunnels.join(near, far)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.endTunnels()
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
