// Writes replies that a program makes itself. The program hands over pieces as they come and learns
// how the reply has ended, and who has stopped it. A connection that is cut begins again by itself,
// and no letter comes twice: each request says where its text begins, and the server skips what it
// has.
//
//   Node:      one request, whose body is the stream of all pieces so far and to come
//   a browser: a request for a few pieces at a time, because browsers can't stream over HTTP/1.1
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { Produced, ProducedPiece } from '@lockstep/protocol/produce'
import { unitsWithoutSpace } from '@lockstep/protocol/text'
import { createDeferred } from './deferred.ts'
import { PieceQueue } from './piece-queue.ts'
import { baseOf, type Credentials, type CredentialsMode, type ServerAddress } from './platform.ts'
import { createCall, faultFromProblem, isRetryable } from './rest/call.ts'

/** The first pause after a cut, and the longest one (ms); each is twice the one before. */
const FIRST_PAUSE_MS = 200
const LONGEST_PAUSE_MS = 5_000
/** A program that thinks for longer says this often that it is still there (ms). */
const STILL_THERE_MS = 20_000
/** A browser asks this often whether somebody has stopped the reply (ms). */
const ASK_MS = 1_000
const PIECES_AT_ONCE = 500
/** Of the pieces in one request (UTF-16 units). */
const UNITS_AT_ONCE = 250_000

export interface ProducerOptions extends Credentials, ServerAddress {
  fetch?: typeof fetch
  /** Whether requests to another origin send its cookies. Default: `same-origin`. */
  credentials?: CredentialsMode
  /**
   * Whether one request may stream its body while the response is awaited. Default: everywhere but
   * in a browser.
   */
  streams?: boolean
}

export interface ReplyOptions {
  /** The reply's id. A program that keeps it can go on with the reply after a crash of its own. */
  message_id?: string
  /** Who writes, and by which model; people see it. */
  agent?: string
  model?: string
  /** Gives up: the promise rejects, and the reply becomes `interrupted`. */
  signal?: AbortSignal
}

/**
 * Writes one reply. The end of `pieces` completes it. If they throw, the reply fails and the error
 * is thrown on. When somebody stops the reply, `pieces` are asked for no more (their `return` is
 * called), and the outcome has `stopped_by`. Rejects with a Fault for what no repetition mends.
 */
export type Produce = (
  conversation_id: string,
  pieces: AsyncIterable<ProducedPiece> | Iterable<ProducedPiece>,
  options?: ReplyOptions,
) => Promise<Produced>

/** The function that writes replies on this server. It needs no engine. */
export function createProducer(server: ProducerOptions): Produce {
  const { streams = !isBrowser() } = server
  return async (conversation_id, pieces, options = {}) => {
    const reply = { conversation_id, ...options, message_id: options.message_id ?? newId() }
    const queue = new PieceQueue(pieces)
    const attempt = streams ? streamed(server, reply, queue) : inBatches(server, reply, queue)
    try {
      const produced = await untilEnded(attempt, options.signal)
      if (queue.failure !== undefined) throw queue.failure.error
      return produced
    } finally {
      queue.stop()
    }
  }
}

type Reply = ReplyOptions & { conversation_id: string; message_id: string }
type Attempt = (again: () => void) => Promise<Produced>

/** Repeats what was cut. `again` is called when an attempt gets on, so that pauses are short. */
async function untilEnded(attempt: Attempt, signal: AbortSignal | undefined): Promise<Produced> {
  let pause = FIRST_PAUSE_MS
  for (;;) {
    let floor = 0
    try {
      const produced = await attempt(() => (pause = FIRST_PAUSE_MS))
      if (produced.status !== 'interrupted') return produced
    } catch (error) {
      signal?.throwIfAborted()
      if (!isRetryable(error)) throw error
      if (error instanceof Fault) floor = error.extra.retry_after_ms ?? 0
    }
    await sleep(Math.max(pause, floor), signal)
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS)
  }
}

/** Sends everything from the beginning, each time: only the program knows what it has written. */
function streamed(server: ProducerOptions, reply: Reply, queue: PieceQueue): Attempt {
  const { headers, token, credentials, fetch: request = fetch } = server
  const { conversation_id, message_id, agent, model, signal } = reply
  const search = new URLSearchParams({ message_id, offset: '0' })
  if (agent !== undefined) search.set('agent', agent)
  if (model !== undefined) search.set('model', model)
  const address = `${baseOf(server)}/conversations/${encodeURIComponent(conversation_id)}/produce?${search}`
  return async (again) => {
    const encoder = new TextEncoder()
    let next = 0
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const come = await queue.from(next, { atMost: PIECES_AT_ONCE, withinMs: STILL_THERE_MS })
        next += come.length
        if (come.length > 0) again()
        const lines = come.map((piece) => `${JSON.stringify(piece)}\n`).join('')
        controller.enqueue(encoder.encode(lines === '' ? '\n' : lines))
        if (queue.isOver(next)) controller.close()
      },
    })
    const authorization = token && `Bearer ${await token()}`
    const init: RequestInit & { duplex: 'half' } = {
      method: 'POST',
      credentials: token ? 'omit' : credentials,
      headers: {
        ...headers?.(),
        ...(authorization !== undefined && { authorization }),
        'content-type': 'application/x-ndjson',
      },
      body,
      signal,
      duplex: 'half',
    }
    const { status, text } = await request(address, init)
      .then(async (response) => ({ status: response.status, text: await response.text() }))
      .catch((error: unknown) => {
        throw new Fault('unavailable', { detail: 'The connection was cut' }, error)
      })
    const answer = parsed(text)
    if (status !== 200 || answer === undefined) throw faultFromProblem(answer, status)
    return toProduced(answer)
  }
}

/** Sends a few pieces at a time. What got no answer is sent again as the same command. */
function inBatches(server: ProducerOptions, reply: Reply, queue: PieceQueue): Attempt {
  const { signal, ...start } = reply
  const call = createCall({
    ...server,
    userId: () => undefined,
  })
  let next = 0
  let offset = 0
  let thinking_offset: number | undefined = 0
  let unanswered: { mutation_id: string; pieces: readonly ProducedPiece[] } | undefined
  return async (again) => {
    for (;;) {
      const limits = { atMost: PIECES_AT_ONCE, unitsAtMost: UNITS_AT_ONCE, withinMs: ASK_MS }
      unanswered ??= { mutation_id: newId(), pieces: await queue.from(next, limits) }
      const answer = await call(
        'sendCommand',
        {
          params: { topic: 'conversations', command: 'produce' },
          body: { ...start, offset, thinking_offset, ...unanswered },
        },
        { signal },
      )
      next += unanswered.pieces.length
      offset += textUnits(unanswered.pieces)
      thinking_offset = afterThinking(thinking_offset, unanswered.pieces)
      unanswered = undefined
      again()
      const { message_id, run_id, status, length, stopped_by } = toProduced(answer)
      if (status !== 'streaming')
        return { message_id, run_id, status, length, ...(stopped_by && { stopped_by }) }
    }
  }
}

/** How far the text grows by these pieces. */
function textUnits(pieces: readonly ProducedPiece[]): number {
  let units = 0
  for (const piece of pieces) {
    if ('text' in piece) units += piece.text.length
    else if ('part' in piece && piece.part.type === 'text' && 'text' in piece.part)
      units += piece.part.text.length
  }
  return units
}

/**
 * How far the thinking has grown after these pieces, without white space. Undefined once the
 * program has made a reasoning part itself, which it may replace: the server then takes all
 * thinking as new.
 */
function afterThinking(
  offset: number | undefined,
  pieces: readonly ProducedPiece[],
): number | undefined {
  let units = offset
  for (const piece of pieces) {
    if ('part' in piece && piece.part.type === 'reasoning') units = undefined
    else if ('thinking' in piece && units !== undefined) units += unitsWithoutSpace(piece.thinking)
  }
  return units
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

// Assertion: the server answers as its table of routes says; its own tests check that.
const toProduced = (answer: unknown): Produced => answer as Produced

const isBrowser = (): boolean => 'document' in globalThis || 'WorkerGlobalScope' in globalThis

/** Rejects with the signal's reason once it has been aborted. */
async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  const { promise, resolve } = createDeferred<void>()
  const wake = () => resolve()
  const timer = setTimeout(wake, ms)
  signal?.addEventListener('abort', wake, { once: true })
  await promise
  clearTimeout(timer)
  signal?.removeEventListener('abort', wake)
  signal?.throwIfAborted()
}
