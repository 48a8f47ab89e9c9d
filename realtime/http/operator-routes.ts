// What operators ask: is it alive, may it get traffic, how is it doing, what does the API look like.
import type { FastifyInstance } from 'fastify'
import { Fault } from '@lockstep/protocol/errors'
import type { Metrics } from '../observability/metrics.ts'
import { asyncApiDocument } from './asyncapi.ts'
import { openApiDocument } from './openapi.ts'

/** @param ready resolves to true when this node can serve: its database answers and it isn't about to stop */
export function serveOperatorRoutes(
  app: FastifyInstance,
  metrics: Metrics,
  ready: () => Promise<boolean>,
): void {
  app.addHook('onRequest', (_request, reply, done) => {
    reply.header('cache-control', 'no-store')
    done()
  })
  app.get('/healthz', () => ({ status: 'alive' }))
  app.get('/readyz', async () => {
    const is = await ready().catch(() => false)
    if (!is) throw new Fault('unavailable', { detail: 'Not ready to serve' })
    return { status: 'ready' }
  })
  app.get('/metrics', async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.metrics()),
  )
  app.get('/openapi.json', () => openApiDocument())
  app.get('/asyncapi.json', () => asyncApiDocument())
}
