// A real Redis, without persistence, that a test can freeze, kill and start again empty on the same port.
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { startProcess, type TestProcess } from './processes.ts'

/** A running redis-server; it ends when it goes out of scope. */
export class TestRedis implements AsyncDisposable {
  readonly port: number
  readonly host: string
  #process: TestProcess

  private constructor(host: string, port: number, process: TestProcess) {
    this.host = host
    this.port = port
    this.#process = process
  }

  /** On a free port, unless told where. */
  static async start(host = '127.0.0.1', port?: number): Promise<TestRedis> {
    const own = port ?? (await freePort())
    return new TestRedis(host, own, await launch(host, own))
  }

  get url(): string {
    return `redis://${this.host}:${this.port}`
  }

  /** Stops answering without closing a connection, like a machine that hangs. */
  freeze(): void {
    this.#process.signal('SIGSTOP')
  }

  thaw(): void {
    this.#process.signal('SIGCONT')
  }

  /** kill -9; `restart` brings it back. */
  kill(): Promise<void> {
    return this.#process.kill()
  }

  /** Comes back on the same port and knows nothing. */
  async restart(): Promise<void> {
    await this.kill()
    this.#process = await launch(this.host, this.port)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill()
  }
}

async function launch(host: string, port: number): Promise<TestProcess> {
  const args = ['--port', String(port), '--bind', host, '--save', '', '--appendonly', 'no']
  const owned = await startProcess({ command: 'redis-server', args })
  await owned.line(/Ready to accept connections/)
  return owned
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
