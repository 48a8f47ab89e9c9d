// A real Redis without persistence. A test can freeze it, kill it and restart it empty on the same
// port.
import { freePort } from './free-port.ts'
import { startProcess, type TestProcess } from './processes.ts'

/** A running redis-server. It is killed at the end of its scope. */
export class TestRedis implements AsyncDisposable {
  readonly port: number
  readonly host: string
  #process: TestProcess

  private constructor(host: string, port: number, process: TestProcess) {
    this.host = host
    this.port = port
    this.#process = process
  }

  /** Starts Redis, by default on a free port. */
  static async start(host = '127.0.0.1', port?: number): Promise<TestRedis> {
    const chosen = port ?? (await freePort())
    return new TestRedis(host, chosen, await launch(host, chosen))
  }

  get url(): string {
    return `redis://${this.host}:${this.port}`
  }

  /** Stops Redis from responding without closing a connection, like a machine that hangs. */
  freeze(): void {
    this.#process.signal('SIGSTOP')
  }

  thaw(): void {
    this.#process.signal('SIGCONT')
  }

  /** Kills Redis (SIGKILL); `restart` starts it again. */
  kill(): Promise<void> {
    return this.#process.kill()
  }

  /** Starts Redis again on the same port, without data. */
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
