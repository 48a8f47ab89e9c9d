// Routes for operators and tools: health, readiness, metrics and the descriptions of the API.
import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { Fault } from '@lockstep/protocol/errors'
import type { Metrics } from '../observability/metrics.ts'
import { asyncApiDocument } from './asyncapi.ts'
import { openApiDocument } from './openapi.ts'
import type { RequestLimits } from './request-limits.ts'

export interface OperatorRoutesDeps {
  metrics: Metrics
  /** Whether this node can serve: its database answers and it isn't stopping. */
  isReady: () => Promise<boolean>
  requestLimits: Pick<RequestLimits, 'countAddress'>
  /** Who asks for metrics must send this token. Undefined: anybody may ask. */
  metricsToken: string | undefined
}

/** Anybody may ask, so the requests of each address are limited, except those to `/healthz`. */
export function serveOperatorRoutes(
  app: FastifyInstance,
  { metrics, isReady, requestLimits, metricsToken }: OperatorRoutesDeps,
): void {
  const openApi = once(openApiDocument)
  const asyncApi = once(asyncApiDocument)
  app.addHook('onRequest', (_request, reply, done) => {
    reply.header('cache-control', 'no-store')
    done()
  })
  app.get('/healthz', () => ({ status: 'alive' }))
  app.register((limited, _options, done) => {
    limited.addHook('onRequest', (request, _reply, next) => {
      requestLimits.countAddress(request.ip)
      next()
    })
    limited.get('/readyz', async () => {
      const ready = await isReady().catch(() => false)
      if (!ready) throw new Fault('unavailable', { detail: 'This node is not ready' })
      return { status: 'ready' }
    })
    limited.get('/metrics', async (request, reply) => {
      if (metricsToken !== undefined && !isBearer(request.headers.authorization, metricsToken)) {
        reply.header('www-authenticate', 'Bearer')
        throw new Fault('unauthenticated', { detail: 'Send the token that METRICS_TOKEN names' })
      }
      return reply.type(metrics.contentType).send(await metrics.metrics())
    })
    limited.get('/openapi.json', openApi)
    limited.get('/asyncapi.json', asyncApi)
    done()
  })
}

/** The comparison takes the same time whatever was sent. */
function isBearer(header: string | undefined, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(header ?? ''), digest(`Bearer ${token}`))
}

/** A description never changes while the process runs. */
function once<T>(describe: () => T): () => T {
  let description: T | undefined
  return () => (description ??= describe())
}
