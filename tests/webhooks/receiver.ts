// The other end of a webhook: a server of the host app, which a test can tell how to behave.
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'vitest'
import type { WireChange } from '@lockstep/protocol/change'

export interface Received {
  user_id: string
  change: WireChange
  path: string
  headers: http.IncomingHttpHeaders
  body: string
  /** When it came (ms). */
  at: number
}

/** What the receiver does with a request. By default it answers 204. */
export type Behaviour = (request: Received, response: http.ServerResponse) => void

export class Receiver implements AsyncDisposable {
  readonly #server: http.Server
  readonly received: Received[] = []
  /** The most requests that were open at the same time. */
  mostAtOnce = 0
  #open = 0
  behave: Behaviour = (_request, response) => void response.writeHead(204).end()

  private constructor() {
    this.#server = http.createServer((request, response) => {
      this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#open)
      response.once('close', () => this.#open--)
      let body = ''
      request.setEncoding('utf8').on('data', (text: string) => (body += text))
      request.once('end', () => {
        const { user_id, change } = JSON.parse(body) as Pick<Received, 'user_id' | 'change'>
        const { url = '', headers } = request
        const received = { user_id, change, path: url, headers, body, at: Date.now() }
        this.received.push(received)
        this.behave(received, response)
      })
    })
  }

  static async start(port = 0): Promise<Receiver> {
    const receiver = new Receiver()
    receiver.#server.listen(port, '127.0.0.1')
    await once(receiver.#server, 'listening')
    return receiver
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook`
  }

  /** What came of one user, or of everybody. */
  of(user: { id: string }, topic?: string): Received[] {
    return this.received.filter(
      ({ user_id, change }) => user_id === user.id && (!topic || change.topic === topic),
    )
  }

  seqs(user: { id: string }, topic: string): number[] {
    return this.of(user, topic).map(({ change }) => change.seq)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }
}

/** Whether a delivery was signed with this secret, by what the contract says alone. */
export function isSigned({ headers, body }: Received, secret: string): boolean {
  const [, t = '', v1] =
    /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['lockstep-signature'])) ?? []
  return v1 === createHmac('sha256', secret).update(`${t}.${body}`).digest('hex')
}

/** At least once and in order: each change comes, and none before the one before it has. */
export function expectInOrder(seqs: number[], last: number): void {
  let most = 0
  for (const seq of seqs) {
    expect(seq).toBeLessThanOrEqual(most + 1)
    most = Math.max(most, seq)
  }
  expect(most).toBe(last)
}
