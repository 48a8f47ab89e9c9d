// Serves the table of routes in protocol/rest.ts. Every request passes the same checks in this
// order: origin (in http.ts), user and request limits, content type and size of the body, then
// parameters, query and body. Handlers get only parsed values.
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import * as z from 'zod'
import { Fault, parse } from '@lockstep/protocol/errors'
import { isObject } from '@lockstep/protocol/free-form'
import { limits } from '@lockstep/protocol/limits'
import { routes, type Route } from '@lockstep/protocol/rest'
import type { RouteName } from '@lockstep/protocol/route-paths'
import type { AnswerBudget } from '../auth/answer-budget.ts'
import { deviceName } from '../auth/device-name.ts'
import type { VisitedSite } from '../auth/proxy-trust.ts'
import { networkOf } from '../auth/rate-limits.ts'
import { needAccess, type Access } from '../auth/scopes.ts'
import { actorOf, type Identity, type Sessions } from '../auth/sessions.ts'
import type { Tokens } from '../auth/tokens.ts'
import { MAX_IN_MEMORY_BYTES, type ImportBody } from '../commands/import/import-body.ts'
import { jsonTextInTurns } from '../concurrency/json-in-turns.ts'
import { beginWork, shareTurn } from '../concurrency/turns.ts'
import { bearerOf, isSecure, type Authenticate } from './authenticate.ts'
import {
  checkLockstepUser,
  etagOf,
  ifVersionOf,
  mutationIdOf,
  onlyIfAbsent,
} from './request-headers.ts'
import {
  spooledBodyRoutes,
  streamedBodyRoutes,
  type ResponseControls,
  type SignedInContext,
  type Handlers,
  type RequestContext,
} from './route-handler.ts'
import { spoolBodies, streamBodies, type SpoolLimit } from './body-parsers.ts'
import { watchBodyRate } from './body-rate.ts'
import { refuseSlow } from './problems.ts'
import { createHeavyReads } from './heavy-reads.ts'
import { LargeBodies } from './large-bodies.ts'
import { endWithAccess } from './kept-access.ts'
import type { OpenAnswers } from './open-answers.ts'
import type { RequestDeadlines } from './request-deadlines.ts'
import type { RequestLimits } from './request-limits.ts'
import type { HttpSettings } from './settings.ts'
import type { SpooledBody } from './spooled-body.ts'
import { discardRest, streamedBody, type StreamedBody } from './streamed-body.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The signed-in user; null on open routes and before the request is authenticated. */
    identity: Identity | null
    /** The scheme and host that the visitor's browser used. */
    readonly site: VisitedSite
  }
}

const emptyObject = z.strictObject({})
/** The bodies of these routes are small, and most of the routes serve anybody. */
const signInRoutes = /^\/auth\/|^\/users\/me\/(?:password|passkeys|second-step)(?:\/|$)/
const spooledRoutes: ReadonlySet<RouteName> = new Set(spooledBodyRoutes)
const streamedRoutes: ReadonlySet<RouteName> = new Set(streamedBodyRoutes)

export interface RoutesDeps {
  sessions: Sessions
  authenticate: Authenticate
  tokens: Pick<Tokens, 'isServiceKey' | 'alive'>
  requestLimits: RequestLimits
  openAnswers: OpenAnswers
  answerBudget: AnswerBudget
  deadlines: RequestDeadlines
  handlers: Handlers
  /** Default: as much as the routes allow. */
  spoolLimit?: SpoolLimit | undefined
  /** Aborts when the node begins to stop, so that long requests end early. */
  stopping: AbortSignal
  settings: HttpSettings
}

/**
 * Registers every route. A route without a handler responds with 404 to requests that pass the
 * checks.
 */
export function serveRoutes(app: FastifyInstance, deps: RoutesDeps): void {
  const { sessions, authenticate, tokens, requestLimits, openAnswers, handlers, settings } = deps
  const { answerBudget } = deps
  const heavyReads = createHeavyReads()
  /** Requests whose body was still on its way when their sender was recognized. */
  const arriving = new WeakSet<FastifyRequest>()
  const largeBodies = new LargeBodies(settings.spooledBytes)
  for (const name of Object.keys(routes) as RouteName[])
    if (!spooledRoutes.has(name) && !streamedRoutes.has(name)) serveRoute(app, name)
  app.register((scope, _options, done) => {
    spoolBodies(scope, deps.spoolLimit)
    for (const name of spooledBodyRoutes) serveRoute(scope, name)
    done()
  })
  app.register((scope, _options, done) => {
    streamBodies(scope)
    for (const name of streamedBodyRoutes) serveRoute(scope, name)
    done()
  })

  function serveRoute(app: FastifyInstance, name: RouteName): void {
    const route: Route = routes[name]
    const handler = handlers[name] as
      ((input: never, context: never) => Promise<unknown>) | undefined
    app.route({
      method: route.method,
      url: route.path.replace(/\{(\w+)\}/g, ':$1'),
      bodyLimit: bodyLimitOf(name, route),
      onRequest: async (request, reply) => {
        reply.header('cache-control', 'no-store')
        const isSpooled = spooledRoutes.has(name)
        const isStreamed = streamedRoutes.has(name)
        const bytes = announcedBytes(request)
        // a body larger than allowed will not be read
        const counted =
          isSpooled || isStreamed ? 0 : Math.min(bytes, request.routeOptions.bodyLimit ?? 0)
        if (route.access === 'service') await needServiceKey(request, reply, counted)
        else if (route.open) requestLimits.countAddress(request.ip, counted)
        else {
          request.identity = await identify(request, reply, counted)
          needAccess(request.identity, accessOf(route))
          if (!request.raw.complete) arriving.add(request)
        }
        if (isSpooled && request.identity && bytes > MAX_IN_MEMORY_BYTES)
          largeBodies.admit(request.identity.user_id, bytes, reply.raw)
        // an import takes turns with other imports anyway, and both may take long
        const owner = request.identity?.user_id ?? networkOf(request.ip)
        if (!isSpooled && !isStreamed) await openAnswers.enter(owner, reply.raw, request.raw.socket)
      },
      onSend: (request, { raw }, payload, done) => {
        const owner = request.identity?.user_id ?? networkOf(request.ip)
        if (typeof payload === 'string') answerBudget.count(owner, Buffer.byteLength(payload))
        if (!(payload instanceof Readable)) return done(null, payload)
        // A response that ends also ends what makes the answer, without an error.
        raw.once('close', () => payload.destroy())
        // Assertion: streams of handlers have texts or bytes.
        const pieces = payload.iterator({ destroyOnReturn: false }) as AsyncIterable<
          string | Uint8Array
        >
        done(null, Readable.from(answerBudget.paced(owner, pieces, () => raw.closed)))
      },
      preParsing: (request, reply, payload, done) => {
        if (spooledRoutes.has(name)) watchAccess(request, reply)
        if (!streamedRoutes.has(name))
          watchBodyRate(request.raw, settings, () => refuseSlow(request.raw.socket))
        done(null, payload)
      },
      handler: async (request, reply) => {
        const large = spooledRoutes.has(name)
          ? (request.body as SpooledBody | undefined)
          : undefined
        try {
          if (!handler)
            throw new Fault('not_found', { detail: 'This server does not offer this route' })
          // whoever was signed out meanwhile does nothing more, however long the body took
          if (arriving.has(request) && !(await isSignedIn(request.identity)))
            throw signedOutMeanwhile()
          beginWork()
          const input = parseInput(
            route,
            request,
            spooledRoutes.has(name)
              ? (large?.body ?? new Uint8Array())
              : streamedRoutes.has(name)
                ? streamOf(request)
                : undefined,
          )
          await shareTurn()
          const context = contextOf(deps, request, reply.status(route.status))
          const read = { name, query: input.query, user_id: request.identity?.user_id ?? '' }
          const answer = await heavyReads.run(read, reply.raw, () =>
            handler(input as never, context as never),
          )
          // it is made while it is read, and may be read slowly
          if (answer instanceof Readable) watchAccess(request, reply)
          // one of megabytes comes in the same turn as others
          await shareTurn()
          return await send(reply, answer, route.media)
        } finally {
          await large?.close()
          if (streamedRoutes.has(name)) discardRest(request)
        }
      },
    })
  }

  function streamOf(request: FastifyRequest): StreamedBody {
    const { identity, body } = request
    const stream = body instanceof Readable ? body : Readable.from([])
    return streamedBody(request, stream, {
      ...{ requestLimits, stopping: deps.stopping, deadlines: deps.deadlines },
      isAllowed: () => isSignedIn(identity),
    })
  }

  async function isSignedIn(identity: Identity | null): Promise<boolean> {
    if (!identity) return false
    const { token, session_id } = identity
    if (identity.offered) return sessions.admits(identity.user_id)
    return token ? (await tokens.alive([token.id])).has(token.id) : sessions.isCurrent(session_id)
  }

  /** A request that may last for minutes ends when its sender is signed out. */
  function watchAccess({ identity, raw }: FastifyRequest, { raw: response }: FastifyReply): void {
    const endWatch = endWithAccess(raw.socket, () => isSignedIn(identity))
    response.once('close', () => void endWatch())
    if (response.closed) void endWatch()
  }

  /** Also counts the request, like any other without a session. */
  async function needServiceKey(
    request: FastifyRequest,
    reply: FastifyReply,
    bytes: number,
  ): Promise<void> {
    requestLimits.countAddress(request.ip, bytes)
    const token = bearerOf(request.headers.authorization ?? '')
    if (token !== undefined && tokens.isServiceKey(token)) return
    throw (await authenticate(request, reply))
      ? new Fault('forbidden_scope', { detail: 'Only a service key may do this' })
      : new Fault('unauthenticated')
  }

  async function identify(
    request: FastifyRequest,
    reply: FastifyReply,
    bytes: number,
  ): Promise<Identity> {
    const nobody = (error: unknown = new Fault('unauthenticated')): never => {
      requestLimits.countAddress(request.ip) // its body isn't read
      throw error
    }
    const identity = (await authenticate(request, reply).catch(nobody)) ?? nobody()
    requestLimits.countUser(identity.user_id, bytes)
    checkLockstepUser(request.headers['lockstep-user'], identity.user_id)
    if (identity.stale_cookie)
      reply.header(
        'set-cookie',
        await sessions.cookie.issue(identity.session_id, isSecure(request)),
      )
    return identity
  }
}

function accessOf({ access, method }: Route): Access {
  if (access === 'session') return access
  return method === 'GET' ? 'read' : 'write'
}

function bodyLimitOf(name: RouteName, { path }: Route): number {
  if (spooledRoutes.has(name)) return limits.importBytes
  return signInRoutes.test(path) ? limits.signInBytes : limits.bodyBytes
}

/** The Content-Length; if there is none, the body may have as many bytes as the limit. */
const announcedBytes = ({ headers, routeOptions }: FastifyRequest): number =>
  headers['transfer-encoding'] === undefined
    ? Number(headers['content-length'] ?? 0)
    : (routeOptions.bodyLimit ?? limits.importBytes)

function parseInput(
  route: Route,
  request: FastifyRequest,
  large: ImportBody | StreamedBody | undefined,
) {
  return {
    params: parse(route.params ?? emptyObject, request.params),
    query: parse(route.query ?? emptyObject, request.query),
    // no body counts as an empty object, which a route without a body accepts too
    body: large ?? parse(route.body ?? emptyObject, request.body === undefined ? {} : request.body),
  }
}

/** The Origin of a request that changes something has been checked (in http.ts). */
function pageOrigin({ headers, site }: FastifyRequest): string {
  const { scheme = 'http', host = 'localhost' } = site
  const address = headers.origin ?? `${scheme}://${host}`
  return URL.canParse(address) ? new URL(address).origin : 'http://localhost'
}

type ResponseDeps = Pick<RoutesDeps, 'sessions' | 'stopping'>

function contextOf(
  deps: ResponseDeps,
  request: FastifyRequest,
  reply: FastifyReply,
): RequestContext | SignedInContext {
  const { identity, headers } = request
  const mutation_id = mutationIdOf(headers['idempotency-key'])
  const response = responseControls(deps, request, reply)
  const context: RequestContext = {
    address: request.ip,
    origin: pageOrigin(request),
    device: deviceName(headers['user-agent']),
    mutation_id,
    response,
    present: () => deps.sessions.identify(headers.cookie).catch(() => undefined),
  }
  if (!identity) return context
  const if_version = ifVersionOf(headers['if-match'])
  const caller = { ...actorOf(identity), mutation_id, address: request.ip }
  return {
    ...context,
    identity,
    caller,
    if_version,
    conditional: { ...caller, if_version },
    only_if_absent: request.method === 'PUT' && onlyIfAbsent(headers['if-none-match']),
  }
}

const responseControls = (
  { sessions, stopping }: ResponseDeps,
  request: FastifyRequest,
  reply: FastifyReply,
): ResponseControls => ({
  status: (code) => void reply.status(code),
  async signIn(session_id) {
    reply.header('set-cookie', await sessions.cookie.issue(session_id, isSecure(request)))
  },
  signOut: () => void reply.header('set-cookie', sessions.cookie.clear(isSecure(request))),
  abandoned() {
    const { raw } = reply
    const disconnected = new AbortController()
    if (raw.closed) disconnected.abort()
    else raw.once('close', () => disconnected.abort())
    return AbortSignal.any([disconnected.signal, stopping])
  },
})

/** A browser whose session got a new id meanwhile has the new cookie by the next attempt. */
const signedOutMeanwhile = (): Fault =>
  new Fault('unauthenticated', {
    detail:
      'The session ended, or got a new cookie, before this request was complete: send it again',
    retry_after_ms: 1_000,
  })

async function send(
  reply: FastifyReply,
  answer: unknown,
  media = 'application/json',
): Promise<FastifyReply> {
  if (answer === undefined) return reply.status(204).send()
  if (
    typeof answer === 'object' &&
    answer !== null &&
    'version' in answer &&
    typeof answer.version === 'number'
  )
    reply.header('etag', etagOf(answer.version))
  const isJson = isObject(answer) && media === 'application/json' && !(answer instanceof Readable)
  return reply.type(media).send(isJson ? await jsonTextInTurns(answer) : answer)
}
