// Lets pages of the origins in PUBLIC_ORIGIN use the API from another origin than the server's own.
// Other origins get none of these headers, so their browsers keep every response from them.
import type { FastifyReply, FastifyRequest } from 'fastify'

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE'
const REQUEST_HEADERS =
  'content-type, authorization, lockstep-user, idempotency-key, if-match, if-none-match'
const RESPONSE_HEADERS = 'ETag, Retry-After'
/** For how long a browser may keep the response to a preflight (seconds). */
const PREFLIGHT_SECONDS = 600

export interface Cors {
  /** Sets the headers of any response. It may be called more than once. */
  setHeaders(request: FastifyRequest, reply: FastifyReply): void
  /** Whether the request is a preflight of an allowed origin. Its response is an empty 204. */
  isPreflight(request: FastifyRequest): boolean
}

/** @param allowed the origins in PUBLIC_ORIGIN */
export function createCors(allowed: readonly string[]): Cors {
  const isAllowed = ({ headers: { origin } }: FastifyRequest): boolean =>
    origin !== undefined && allowed.includes(origin.toLowerCase())

  function isPreflight(request: FastifyRequest): boolean {
    const { method, headers } = request
    return (
      method === 'OPTIONS' &&
      headers['access-control-request-method'] !== undefined &&
      isAllowed(request)
    )
  }

  return {
    isPreflight,
    setHeaders(request, reply) {
      reply.header('vary', 'Origin')
      if (!isAllowed(request)) return
      reply.header('access-control-allow-origin', request.headers.origin)
      reply.header('access-control-allow-credentials', 'true')
      reply.header('access-control-expose-headers', RESPONSE_HEADERS)
      if (!isPreflight(request)) return
      reply.header('access-control-allow-methods', METHODS)
      reply.header('access-control-allow-headers', REQUEST_HEADERS)
      reply.header('access-control-max-age', PREFLIGHT_SECONDS)
    },
  }
}
