// The access log and the request metrics. A log line contains the route, the status and the
// duration. It contains no body and no header. It contains no address either, because a client
// chooses it and its query may hold what a user searches for.
import { promisify } from 'node:util'
import type { FastifyInstance } from 'fastify'
import { Gauge, Histogram } from 'prom-client'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'

/** Machines request these routes all the time, so their requests are logged at level debug only. */
const routineRoutes: ReadonlySet<string | undefined> = new Set(['/healthz', '/readyz', '/metrics'])

/** The level at which requests are logged, except those of routine routes. */
export type RequestLogLevel = 'info' | 'debug'

export interface AccessLogDeps {
  logger: Logger
  metrics: Metrics
  requestLogLevel: RequestLogLevel
}

export function recordRequests(app: FastifyInstance, deps: AccessLogDeps): void {
  const { logger, metrics, requestLogLevel } = deps
  const seconds = new Histogram({
    name: 'lockstep_http_request_seconds',
    help: 'Time from the request to the end of its response, by route',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [metrics],
  })
  new Gauge({
    name: 'lockstep_connections',
    help: 'Open TCP connections, including those of sockets',
    registers: [metrics],
    async collect() {
      this.set(await promisify(app.server.getConnections.bind(app.server))())
    },
  })
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url
    const labels = { method: request.method, route: route ?? 'none', status: reply.statusCode }
    seconds.observe(labels, reply.elapsedTime / 1000)
    const line = {
      request_id: request.id,
      ...labels,
      ms: Math.round(reply.elapsedTime * 10) / 10,
      user_id: request.identity?.user_id,
    }
    logger[routineRoutes.has(route) ? 'debug' : requestLogLevel](line, 'request')
    done()
  })
}
