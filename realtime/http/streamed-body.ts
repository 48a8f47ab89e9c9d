// The body of a request that takes as long as its sender likes. No length bounds it, so its bytes
// count while they arrive, and its sender must stay signed in.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { endWithAccess } from './kept-access.ts'
import type { RequestDeadlines } from './request-deadlines.ts'
import type { RequestLimits } from './request-limits.ts'

/** A chunk costs as much as so many bytes, however small it is. */
const CHUNK_BYTES = 3_000
/** The rest of a body is read for this long after the answer, so that its sender gets it (ms). */
const LINGER_MS = 15_000

export interface StreamedBody {
  /**
   * The chunks of the body. Ends early if the connection breaks, or if the sender has been signed
   * out. From the first one on, the request may take as long as it likes.
   */
  chunks(): AsyncGenerator<Buffer>
  /** Counts what these bytes cost beyond their number: waits until the user may go on. */
  pay(bytes: number): Promise<void>
  /** Aborts when the node begins to stop. */
  stopping: AbortSignal
}

export interface StreamedBodyDeps {
  requestLimits: Pick<RequestLimits, 'waitOf'>
  deadlines: RequestDeadlines
  /** Whether the sender is still signed in. */
  isAllowed(): Promise<boolean>
  stopping: AbortSignal
}

export function streamedBody(
  { raw, identity }: FastifyRequest,
  stream: Readable,
  { requestLimits, deadlines, isAllowed, stopping }: StreamedBodyDeps,
): StreamedBody {
  async function pay(bytes: number): Promise<void> {
    const user_id = identity?.user_id ?? ''
    for (let wait; (wait = requestLimits.waitOf(user_id, bytes)) > 0;)
      await sleep(wait, undefined, { ref: false })
  }

  async function* chunks(): AsyncGenerator<Buffer> {
    deadlines.lift(raw)
    const endWatch = endWithAccess(raw.socket, isAllowed)
    try {
      for await (const chunk of stream.iterator({
        destroyOnReturn: false,
      }) as AsyncIterable<Buffer>) {
        await pay(Math.max(chunk.length, CHUNK_BYTES))
        yield chunk
      }
    } catch {
      // the connection broke
    } finally {
      await endWatch()
    }
  }
  return { chunks, pay, stopping }
}

/** Reads the rest of a body that has been answered, and closes the connection if it lasts. */
export function discardRest({ raw }: FastifyRequest): void {
  if (raw.complete || raw.destroyed) return
  raw.resume()
  const timer = setTimeout(() => raw.socket.destroy(), LINGER_MS)
  for (const event of ['end', 'close']) raw.once(event, () => clearTimeout(timer))
}
