// A line to the database that goes dead right behind a certain write: the database has it, and either its answer never comes, or nothing
// else ever follows it.
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** What is held back once the trap has closed: answers, or further requests. */
export type Held = 'answers' | 'requests'

export class InterruptingProxy implements AsyncDisposable {
  readonly #server: Server
  readonly #links = new Set<{ near: Socket; far: Socket }>()
  #bait: { bytes: Buffer; held: Held; closed: () => void } | undefined
  #held: Held | undefined

  private constructor(target: { host: string; port: number }) {
    this.#server = createServer((near) => this.#join(near, connect(target)))
  }

  static async startFor(target: { host: string; port: number }): Promise<InterruptingProxy> {
    const trap = new InterruptingProxy(target)
    trap.#server.listen(0, '127.0.0.1')
    await once(trap.#server, 'listening')
    return trap
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Closes behind the next request that contains `text`; resolves then. */
  interruptAfter(text: string, held: Held): Promise<void> {
    return new Promise((closed) => (this.#bait = { bytes: Buffer.from(text), held, closed }))
  }

  /** Lets everything through again, for whoever connects anew. */
  restore(): void {
    this.#held = this.#bait = undefined
    for (const { near, far } of this.#links) [near, far].forEach((end) => end.destroy())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.restore()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #join(near: Socket, far: Socket): void {
    const link = { near, far }
    this.#links.add(link)
    near.on('data', (bytes) => {
      if (this.#held === 'requests') return
      far.write(bytes)
      const bait = this.#bait
      if (!bait?.bytes || !bytes.includes(bait.bytes)) return
      this.#bait = undefined
      this.#held = bait.held
      bait.closed()
    })
    far.on('data', (bytes) => {
      if (this.#held !== 'answers') near.write(bytes)
    })
    for (const end of [near, far]) {
      end.on('error', () => undefined)
      end.on('close', () => {
        this.#links.delete(link)
        near.destroy()
        far.destroy()
      })
    }
  }
}
