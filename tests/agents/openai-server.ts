// A local server that speaks OpenAI's streaming chat completions exactly as well, or as badly, as a
// test tells it to.
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

/** A request that it received. */
export interface Question {
  headers: IncomingHttpHeaders
  body: {
    model: string
    messages: { role: string; content: string }[]
    temperature?: number
    stream_options?: { include_usage?: boolean }
  }
}

/** One response, which a test writes step by step. */
export class Answer {
  readonly question: Question
  readonly #response: ServerResponse
  /** Resolves when the client has disconnected or the response is complete. */
  readonly closed: Promise<void>

  constructor(question: Question, response: ServerResponse) {
    this.question = question
    this.#response = response
    this.closed = new Promise((resolve) => response.once('close', resolve))
  }

  /** Responds with a status and an error in OpenAI's format. */
  refuse(
    status: number,
    error: Record<string, unknown> = {},
    headers: Record<string, string> = {},
  ): void {
    this.#response.writeHead(status, { 'content-type': 'application/json', ...headers })
    this.#response.end(
      JSON.stringify({
        error: { message: 'the inner workings of sk-secret at 10.0.0.7', ...error },
      }),
    )
  }

  /** Responds with a whole body: JSON, or a string as it is. */
  respond(
    status: number,
    body: unknown,
    headers: Record<string, string> = { 'content-type': 'application/json' },
  ): void {
    this.#response.writeHead(status, headers)
    this.#response.end(typeof body === 'string' ? body : JSON.stringify(body))
  }

  text(content: string): void {
    this.chunk({ choices: [{ index: 0, delta: { content } }] })
  }

  thinking(text: string, name: 'reasoning_content' | 'reasoning' = 'reasoning_content'): void {
    this.chunk({ choices: [{ index: 0, delta: { [name]: text } }] })
  }

  finish(reason = 'stop', usage?: Record<string, unknown>): void {
    this.chunk({ choices: [{ index: 0, delta: {}, finish_reason: reason }] })
    if (usage) this.chunk({ choices: [], usage })
    this.raw('data: [DONE]\n\n')
    this.end()
  }

  chunk(body: object): void {
    this.raw(
      `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', ...body })}\n\n`,
    )
  }

  /** Writes any bytes. */
  raw(bytes: string, status = 200): void {
    if (!this.#response.headersSent)
      this.#response.writeHead(status, { 'content-type': 'text/event-stream' })
    this.#response.write(bytes)
  }

  get isOpen(): boolean {
    return !this.#response.writableEnded
  }

  /** Ends the body properly at any point. */
  end(): void {
    this.#response.end()
  }

  /** Drops the connection. */
  drop(): void {
    this.#response.socket?.destroy()
  }
}

export type Script = (answer: Answer) => void | Promise<void>

/** An answer of one text. */
export const says =
  (text: string, usage?: Record<string, unknown>) =>
  (answer: Answer): void => {
    answer.text(text)
    answer.finish('stop', usage)
  }

export class OpenAiServer implements AsyncDisposable {
  readonly questions: Question[] = []
  readonly #server: Server
  #scripts: Script[] = []

  private constructor() {
    this.#server = createServer((request, response) => {
      void json(request).then(async (body) => {
        const question = { headers: request.headers, body: body as Question['body'] }
        this.questions.push(question)
        const script = this.#scripts.length > 1 ? this.#scripts.shift() : this.#scripts[0]
        await script?.(new Answer(question, response))
      })
    })
  }

  static async start(...scripts: Script[]): Promise<OpenAiServer> {
    const server = new OpenAiServer()
    server.answerWith(...scripts)
    server.#server.listen(0, '127.0.0.1')
    await once(server.#server, 'listening')
    return server
  }

  /** The scripts answer the next requests in order. The last one answers all later requests too. */
  answerWith(...scripts: Script[]): void {
    this.#scripts = scripts
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
