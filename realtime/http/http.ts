// The HTTP server of a node. The gateway attaches Socket.IO to the same server before it listens.
import type { Server } from 'node:http'
import helmet from '@fastify/helmet'
import fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import { changesState, createOriginCheck, onlyHttps } from '../auth/origin.ts'
import { AnswerBudget } from '../auth/answer-budget.ts'
import type { Oidc } from '../auth/oidc.ts'
import { createProxyTrust } from '../auth/proxy-trust.ts'
import type { Sessions } from '../auth/sessions.ts'
import type { Tokens } from '../auth/tokens.ts'
import type { TrustedProxy } from '../auth/trusted-proxy.ts'
import type { AccountUseCases } from '../commands/account.ts'
import { isNoted } from '../commands/audit-trail.ts'
import type { HostSignOut } from '../commands/host-sign-out.ts'
import type { Config } from '../config/config.ts'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import {
  authenticateByCookie,
  authenticateByProxy,
  authenticateByToken,
  bearerOf,
} from './authenticate.ts'
import type { Handlers } from './route-handler.ts'
import type { SecurityLog } from '../observability/security-log.ts'
import { parseJsonBodies, type SpoolLimit } from './body-parsers.ts'
import { createCors } from './cors.ts'
import type { KeptFiles } from './kept-files.ts'
import { recordRequests, type RequestLogLevel } from './access-log.ts'
import { serveOperatorRoutes } from './operator-routes.ts'
import { frameworkFault, refuseConnection, sendProblem } from './problems.ts'
import { createOpenAnswers } from './open-answers.ts'
import { createRequestAdmission } from './pipelined-requests.ts'
import { watchRequests } from './request-deadlines.ts'
import { createRequestLimits } from './request-limits.ts'
import { serveRoutes } from './routes.ts'
import { httpSettings, type HttpSettings } from './settings.ts'
import { createPage, refuseUnknownAddress, routableUrl, serveUi } from './static-ui.ts'

export interface HttpDeps {
  config: Pick<
    Config,
    'publicOrigins' | 'trustProxy' | 'frameAncestors' | 'basePath' | 'metricsToken'
  >
  handlers: Handlers
  /** What a user’s import may have at most today. Default: what the contract allows. */
  spoolLimit?: SpoolLimit
  sessions: Sessions
  tokens: Pick<Tokens, 'identify' | 'isServiceKey' | 'alive'>
  /** Other ways to sign in than by password. */
  host?: {
    account: Pick<AccountUseCases, 'enter' | 'recognize' | 'revoke'>
    /** Needed beside `oidc`. */
    signOut?: HostSignOut
    proxy?: TrustedProxy
    oidc?: Oidc
  }
  /** Turns any thrown value into a Fault. */
  toFault: (error: unknown) => Fault
  /** Whether this node may receive traffic. */
  isReady: () => Promise<boolean>
  /** The folder of the built UI. */
  uiRoot: string
  /** The files of other builds. Absent: there is only this one. */
  keptFiles?: Pick<KeptFiles, 'find'>
  logger: Logger
  /** Gets the refused requests. */
  security?: SecurityLog
  metrics: Metrics
  /** Default: info. */
  requestLogLevel?: RequestLogLevel
  settings?: HttpSettings
}

export interface HttpServer {
  /** Doesn't listen yet. */
  server: Server
  /** For answers of other kinds, which count together with those over HTTP. */
  answerBudget: AnswerBudget
  /** Accepts no new requests and waits for those that are running. */
  stop(): Promise<void>
}

const HEADER_BYTES = 16_384
const MAX_LISTENERS = 20
const SWEEP_MS = 50

/**
 * No route has a fastify schema, because zod checks requests. So fastify's compilers, which take
 * long to load, aren't loaded.
 */
const noCompiler = (): never => {
  throw new Fault('internal')
}

export async function createHttp(deps: HttpDeps): Promise<HttpServer> {
  const {
    config,
    logger,
    metrics,
    toFault,
    requestLogLevel = 'info',
    settings = httpSettings,
  } = deps
  const { timings } = settings
  const { basePath = '' } = config
  const page = createPage(deps.uiRoot, basePath)
  const trust = createProxyTrust(config.trustProxy)
  const originAllowed = createOriginCheck(config.publicOrigins, trust)
  const cors = createCors(config.publicOrigins)
  const stopping = new AbortController()
  const app = fastify({
    logger: false,
    trustProxy: (address, hop) => trust.trusts(address, hop),
    bodyLimit: limits.bodyBytes,
    requestTimeout: 0, // see request-deadlines.ts
    keepAliveTimeout: timings.idle,
    http: {
      headersTimeout: timings.headers,
      connectionsCheckingInterval: timings.check,
      maxHeaderSize: HEADER_BYTES,
    },
    schemaController: {
      compilersFactory: { buildValidator: noCompiler, buildSerializer: noCompiler },
    },
    rewriteUrl: (request) => routableUrl(request, basePath),
    routerOptions: { maxParamLength: HEADER_BYTES },
    genReqId: () => newId(),
    clientErrorHandler: refuseConnection,
    frameworkErrors: (error, request, reply) => void sendFault(error, request, reply),
  })
  app.decorateRequest('identity', null)
  app.decorateRequest('site', {
    getter() {
      return trust.siteOf(this.raw)
    },
  })
  app.setErrorHandler(sendFault)
  app.setNotFoundHandler(refuseUnknownAddress(page, basePath))
  parseJsonBodies(app)
  recordRequests(app, { logger, metrics, requestLogLevel })
  await protectPages(app, config)
  const admit = createRequestAdmission()
  app.addHook('onRequest', (request, reply, done) => {
    // What must end with its response listens to it, and a streamed one has eleven such listeners.
    reply.raw.setMaxListeners(MAX_LISTENERS)
    if (admit(request.raw, reply.raw)) done()
    else reply.hijack()
  })
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    cors.setHeaders(request, reply)
    if (cors.isPreflight(request)) return void reply.status(204).send()
    done(isForeign(request) ? new Fault('forbidden_origin') : undefined)
  })
  const requestLimits = createRequestLimits(settings)
  const answerBudget = new AnswerBudget(settings.answerBytes)
  const openAnswers = createOpenAnswers(settings, answerBudget, metrics)
  const deadlines = watchRequests(app.server, timings.request)
  await app.register((scope) =>
    serveOperatorRoutes(scope, {
      metrics,
      isReady: deps.isReady,
      requestLimits,
      metricsToken: config.metricsToken,
    }),
  )
  await app.register((scope, _options, done) => {
    const { sessions, host } = deps
    const authenticate = host?.proxy
      ? authenticateByProxy(host.proxy, sessions, host.account)
      : authenticateByCookie(sessions)
    serveRoutes(scope, {
      sessions,
      authenticate: authenticateByToken(deps.tokens, authenticate),
      tokens: deps.tokens,
      requestLimits,
      openAnswers,
      answerBudget,
      deadlines,
      handlers: deps.handlers,
      spoolLimit: deps.spoolLimit,
      stopping: stopping.signal,
      settings,
    })
    done()
  })
  const { oidc, account, signOut } = deps.host ?? {}
  if (oidc && account && signOut) {
    const { serveOidc } = await import('./oidc-routes.ts') // few servers need its libraries
    await app.register((scope, _options, done) => {
      serveOidc(scope, { ...deps, oidc, account, signOut, requestLimits, basePath })
      done()
    })
  }
  await app.register((scope) =>
    serveUi(scope, { root: deps.uiRoot, page, keptFiles: deps.keptFiles, requestLimits }),
  )
  await app.ready()
  return { server: app.server, answerBudget, stop }

  async function stop(): Promise<void> {
    stopping.abort()
    // otherwise a connection that becomes idle after close() would stay open until its client
    // leaves
    const sweep = setInterval(() => app.server.closeIdleConnections(), SWEEP_MS)
    await app.close().finally(() => clearInterval(sweep))
    openAnswers.stop()
  }

  function sendFault(
    error: FastifyError,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const fault = frameworkFault(error, request) ?? toFault(error)
    cors.setHeaders(request, reply) // fastify calls no hook for an address that it can't read
    if (fault.code === 'internal')
      logger.error({ err: fault.cause ?? error, request_id: request.id }, 'request failed')
    // fastify closes the connection if it hasn't read the whole body; the client would then see a
    // broken pipe instead of the response
    reply.removeHeader('connection')
    noteRefusal(fault, request)
    return sendProblem(reply, fault)
  }

  /** A page's first request without a cookie is no refusal. */
  function noteRefusal(fault: Fault, { headers, identity, ip, routeOptions }: FastifyRequest) {
    const { code, extra } = fault
    const isKnown = headers.cookie !== undefined || headers.authorization !== undefined
    const isRefusal =
      code === 'forbidden_origin' ||
      code === 'forbidden_scope' ||
      (code === 'invalid_credentials' && !isNoted(fault)) ||
      (code === 'unauthenticated' && isKnown && extra.retry_after_ms === undefined) ||
      (code === 'rate_limited' && routeOptions.url?.includes('/auth/'))
    if (!isRefusal) return
    deps.security?.note('request_refused', {
      reason: code,
      address: ip,
      account: identity?.username,
      user_id: identity?.user_id,
      route: routeOptions.url,
    })
  }

  function isForeign({ raw, site, id }: FastifyRequest): boolean {
    if (!changesState(raw.method ?? '') || originAllowed(raw)) return false
    // no page sends a token without being allowed to by CORS, and a browser adds none by itself
    if (bearerOf(raw.headers.authorization ?? '') !== undefined) return false
    const { origin } = raw.headers
    logger.warn(
      { request_id: id, origin, host: site.host, scheme: site.scheme },
      'a request from a foreign origin was refused',
    )
    return true
  }
}

/**
 * Pages may load, run and contact only what comes from this server. They may be shown in a frame
 * only by the origins in FRAME_ANCESTORS.
 */
async function protectPages(
  app: FastifyInstance,
  { publicOrigins, frameAncestors = [] }: HttpDeps['config'],
): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        baseUri: ["'none'"],
        objectSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:', 'blob:'],
        fontSrc: ["'self'"],
        connectSrc: ["'self'"],
        formAction: ["'self'"],
        frameAncestors: frameAncestors.length > 0 ? [...frameAncestors] : ["'none'"],
      },
    },
    // X-Frame-Options can't name origins; browsers prefer the policy above
    frameguard: frameAncestors.length > 0 ? false : { action: 'deny' },
    hsts: onlyHttps(publicOrigins),
    referrerPolicy: { policy: 'same-origin' },
  })
}
