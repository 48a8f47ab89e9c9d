// A proxy to the database that goes dead directly after a certain write. The database has received
// the write, and then either its answer never arrives, or no further request does.
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** What the proxy holds back after the interruption: answers, or further requests. */
export type HeldTraffic = 'answers' | 'requests'

export class InterruptingProxy implements AsyncDisposable {
  readonly #server: Server
  readonly #pairs = new Set<{ client: Socket; database: Socket }>()
  #trigger: { bytes: Buffer; held: HeldTraffic; interrupted: () => void } | undefined
  #held: HeldTraffic | undefined

  private constructor(target: { host: string; port: number }) {
    this.#server = createServer((client) => this.#join(client, connect(target)))
  }

  static async startFor(target: { host: string; port: number }): Promise<InterruptingProxy> {
    const proxy = new InterruptingProxy(target)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Interrupts the traffic after the next request that contains `text`. Resolves then. */
  interruptAfter(text: string, held: HeldTraffic): Promise<void> {
    return new Promise((interrupted) => {
      this.#trigger = { bytes: Buffer.from(text), held, interrupted }
    })
  }

  /** Ends all connections and lets new ones through. */
  restore(): void {
    this.#held = this.#trigger = undefined
    for (const { client, database } of this.#pairs)
      for (const end of [client, database]) end.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.restore()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #join(client: Socket, database: Socket): void {
    const pair = { client, database }
    this.#pairs.add(pair)
    client.on('data', (bytes) => {
      if (this.#held === 'requests') return
      database.write(bytes)
      const trigger = this.#trigger
      if (!trigger || !bytes.includes(trigger.bytes)) return
      this.#trigger = undefined
      this.#held = trigger.held
      trigger.interrupted()
    })
    database.on('data', (bytes) => {
      if (this.#held !== 'answers') client.write(bytes)
    })
    for (const end of [client, database]) {
      end.on('error', () => undefined)
      end.on('close', () => {
        this.#pairs.delete(pair)
        client.destroy()
        database.destroy()
      })
    }
  }
}
