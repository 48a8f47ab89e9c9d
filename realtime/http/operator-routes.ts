// Routes for operators and tools: health, readiness, metrics and the descriptions of the API.
import type { FastifyInstance } from 'fastify'
import { Fault } from '@lockstep/protocol/errors'
import type { Metrics } from '../observability/metrics.ts'
import { asyncApiDocument } from './asyncapi.ts'
import { openApiDocument } from './openapi.ts'

/** @param isReady whether this node can serve: its database answers and it isn't stopping */
export function serveOperatorRoutes(
  app: FastifyInstance,
  metrics: Metrics,
  isReady: () => Promise<boolean>,
): void {
  app.addHook('onRequest', (_request, reply, done) => {
    reply.header('cache-control', 'no-store')
    done()
  })
  app.get('/healthz', () => ({ status: 'alive' }))
  app.get('/readyz', async () => {
    const ready = await isReady().catch(() => false)
    if (!ready) throw new Fault('unavailable', { detail: 'This node is not ready' })
    return { status: 'ready' }
  })
  app.get('/metrics', async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.metrics()),
  )
  app.get('/openapi.json', () => openApiDocument())
  app.get('/asyncapi.json', () => asyncApiDocument())
}
