// The error boundary of HTTP: whatever was thrown leaves as a problem (RFC 9457) from the table of
// errors, and no internal detail leaves with it.
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { Socket } from 'node:net'
import { Fault, toProblem } from '@lockstep/protocol/errors'
import type { Problem } from '@lockstep/protocol/problem'
import { limits } from '@lockstep/protocol/limits'
import { jsonTextInTurns } from '../concurrency/json-in-turns.ts'

const RETRY_MS = 1_000
/** A client whose connection is being closed has this long to read the reason (ms). */
const CLOSE_MS = 1_000

/**
 * Sends a Fault as `application/problem+json`, with `Retry-After` (whole seconds) if waiting helps.
 */
export async function sendProblem(reply: FastifyReply, fault: Fault): Promise<FastifyReply> {
  const problem: Problem = toProblem(fault)
  const mayRetry = fault.code === 'unavailable' || fault.code === 'rate_limited'
  if (mayRetry) {
    problem.retry_after_ms ??= RETRY_MS
    reply.header('retry-after', Math.max(1, Math.ceil(problem.retry_after_ms / 1000)))
  }
  // a conflict has a page of the conversation
  const text = await jsonTextInTurns(problem)
  return reply
    .status(problem.status)
    .header('cache-control', 'no-store')
    .type('application/problem+json')
    .send(Buffer.from(text)) // for a string, fastify would add a charset
}

/** The Fault for an error that fastify itself raises; undefined for any other error. */
export function frameworkFault(error: FastifyError, request: FastifyRequest): Fault | undefined {
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE': {
      const limit_bytes = request.routeOptions.bodyLimit ?? limits.bodyBytes
      return new Fault('too_large', {
        detail: `The body may have at most ${limit_bytes} bytes`,
        limit_bytes,
      })
    }
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return unsupportedType(
        request.routeOptions.url?.endsWith('/produce') && 'application/x-ndjson',
      )
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new Fault('invalid', {
        status: 400,
        detail: 'The body is not as long as Content-Length says',
      })
    default:
      // @fastify/static refuses paths that lead out of its folder with these statuses
      if ([400, 403, 404].includes(error.statusCode ?? 0)) return new Fault('not_found')
      // the client disconnected while it was sending: not an error of the server, and nobody reads
      // the response. A connection to the database that broke has the same code.
      return request.raw.errored && (error as NodeJS.ErrnoException).code === 'ECONNRESET'
        ? new Fault('invalid', { status: 400 })
        : undefined
  }
}

export const unsupportedType = (
  type: string | false = 'application/json or application/merge-patch+json',
): Fault =>
  new Fault('invalid', { status: 415, detail: `The content type must be ${type}, in UTF-8` })

const parserFaults: Record<string, Fault> = {
  HPE_HEADER_OVERFLOW: new Fault('too_large', {
    status: 431,
    detail: 'The headers are too large',
    limit_bytes: 16_384,
  }),
  ERR_HTTP_REQUEST_TIMEOUT: new Fault('invalid', {
    status: 408,
    detail: 'The request took too long to arrive',
  }),
}

/**
 * Closes the connection of a request that arrives too slowly, as Node does when `requestTimeout` is
 * over.
 */
export const refuseSlow = (socket: Socket): void =>
  refuseConnection(
    Object.assign(new Error('too slow'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }),
    socket,
  )

/**
 * Responds to input that isn't HTTP, for which fastify has no request, and closes the connection. A
 * client that keeps its side open is cut off after `CLOSE_MS`.
 */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const closeTimer = setTimeout(() => socket.destroy(), CLOSE_MS)
  socket.once('close', () => clearTimeout(closeTimer))
  const fault =
    parserFaults[error.code ?? ''] ??
    new Fault('invalid', { status: 400, detail: 'This is not HTTP' })
  const problem = toProblem(fault)
  const body = JSON.stringify(problem)
  socket.end(
    [
      `HTTP/1.1 ${problem.status} Refused`,
      'Connection: close',
      'Cache-Control: no-store',
      'Content-Type: application/problem+json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      '',
      body,
    ].join('\r\n'),
  )
}
