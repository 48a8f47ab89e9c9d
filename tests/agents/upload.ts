// A program of the host that writes a reply: over a connection whose every byte a test decides.
import { once } from 'node:events'
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import type { Produced } from '@lockstep/protocol/produce'
import type { Person } from '../harness/person.ts'

export interface UploadOptions {
  message_id?: string
  agent?: string
  model?: string
  offset?: number
  headers?: Record<string, string>
}

export class Upload {
  readonly #request: ClientRequest
  /** The answer, or how the connection failed. */
  readonly answer: Promise<{ status: number; body: Produced & { code?: string } }>

  constructor(
    person: Pick<Person, 'url' | 'cookie'>,
    id: string,
    { headers, ...query }: UploadOptions = {},
  ) {
    const given = Object.entries(query).map(([key, value]) => [key, String(value)])
    const search = new URLSearchParams(Object.fromEntries(given))
    this.#request = httpRequest(`${person.url}/conversations/${id}/produce?${search}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson', cookie: person.cookie, ...headers },
      agent: false,
    })
    this.#request.flushHeaders()
    this.answer = this.#answer()
    this.answer.catch(() => undefined)
  }

  async #answer() {
    const [response] = (await once(this.#request, 'response')) as [IncomingMessage]
    let text = ''
    for await (const chunk of response.setEncoding('utf8')) text += chunk
    this.#request.on('error', () => undefined) // the rest of the body isn't wanted any more
    const body = JSON.parse(text) as Produced & { code?: string }
    return { status: response.statusCode ?? 0, body }
  }

  /** Sends bytes as they are. */
  bytes(bytes: string | Uint8Array): this {
    this.#request.write(bytes)
    return this
  }

  /** Sends pieces, a line each. */
  send(...pieces: object[]): this {
    return this.bytes(pieces.map((piece) => `${JSON.stringify(piece)}\n`).join(''))
  }

  /** The body is over. */
  end(): this {
    this.#request.end()
    return this
  }

  /** The program dies. */
  kill(): void {
    this.#request.on('error', () => undefined)
    this.#request.destroy()
  }
}
