// The routes of an OpenID Connect provider. Browsers navigate to the two of a sign-in, so each
// response of these is a redirect. A failure is passed to the sign-in page as one of a few codes
// and never as text, because anybody could make a link to the page with a text of their own. For
// the same reason the address to return to is passed to the sign-in page, which leads to its own
// pages only. The provider itself calls the third route, when a sign-in has ended there.
import type { FastifyInstance, FastifyReply } from 'fastify'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import { deviceName } from '../auth/device-name.ts'
import { OIDC_PATH, OidcSignInError, type Oidc } from '../auth/oidc.ts'
import type { SecurityLog } from '../observability/security-log.ts'
import type { Sessions } from '../auth/sessions.ts'
import type { AccountUseCases } from '../commands/account.ts'
import type { HostSignOut } from '../commands/host-sign-out.ts'
import type { Logger } from '../observability/logger.ts'
import { isSecure } from './authenticate.ts'
import type { RequestLimits } from './request-limits.ts'

export interface OidcRoutesDeps {
  oidc: Oidc
  account: Pick<AccountUseCases, 'enter'>
  signOut: Pick<HostSignOut, 'end'>
  sessions: Sessions
  /** Every request is counted, because each one makes this server contact the provider. */
  requestLimits: RequestLimits
  toFault: (error: unknown) => Fault
  logger: Logger
  security?: SecurityLog
  basePath: string
}

export function serveOidc(app: FastifyInstance, deps: OidcRoutesDeps): void {
  const { oidc, account, signOut, sessions, requestLimits, toFault, logger, security, basePath } =
    deps

  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: limits.signInBytes },
    (_request, body, done) => done(null, new URLSearchParams(String(body))),
  )
  app.addHook('onRequest', async (request, reply) => {
    reply.header('cache-control', 'no-store')
    requestLimits.countAddress(request.ip)
  })

  app.get<{ Querystring: Partial<Record<string, unknown>> }>(OIDC_PATH, (request, reply) => {
    const wanted = request.query[RETURN]
    const returnTo = typeof wanted === 'string' ? wanted : undefined
    return redirecting(reply, returnTo, async () => {
      const { location, cookie } = await oidc.begin(request.site.host ?? '', returnTo)
      reply.header('set-cookie', cookie)
      return location
    })
  })

  app.get(`${OIDC_PATH}/callback`, async (request, reply) => {
    const { cookie, 'user-agent': agent } = request.headers
    const returnTo = await oidc.returnTo(cookie)
    return redirecting(reply.header('set-cookie', oidc.clearCookie), returnTo, async () => {
      const visitor = { address: request.ip, device: deviceName(agent) }
      const query = request.url.replace(/^[^?]*/, '')
      // the reason of the provider may be any text, so only ours is noted
      const user = await oidc.finish(cookie, query).catch((error: unknown) => {
        const reason = error instanceof OidcSignInError ? error.reason : 'internal'
        security?.note('sign_in_by_host_refused', { ...visitor, account: null, reason })
        throw error
      })
      const context = {
        ...visitor,
        mutation_id: newId(),
        present: await sessions.identify(cookie).catch(() => undefined),
      }
      const { session } = await account.enter(context, user)
      reply.header('set-cookie', await sessions.cookie.issue(session.id, isSecure(request)))
      return returnTo === undefined ? '/app' : signInPage({}, returnTo)
    })
  })

  app.post(`${OIDC_PATH}/backchannel-logout`, async (request, reply) => {
    const given = request.body instanceof URLSearchParams ? request.body.getAll('logout_token') : []
    try {
      if (given.length !== 1) throw new OidcSignInError('failed', 'there is no logout token')
      await signOut.end(await oidc.readLogout(given[0]!), request.ip)
      security?.note('signed_out_by_host', { address: request.ip })
      return await reply.send()
    } catch (error) {
      const reason = error instanceof OidcSignInError ? error.reason : toFault(error).code
      security?.note('sign_out_by_host_refused', { address: request.ip, reason })
      if (error instanceof OidcSignInError && error.reason === 'unavailable')
        throw new Fault('unavailable', { detail: 'The provider’s keys can’t be read' })
      const isRefused =
        error instanceof OidcSignInError || (error instanceof Fault && error.code === 'invalid')
      if (!isRefused) throw error
      return reply.status(400).send({ error: 'invalid_request', error_description: error.message })
    }
  })

  async function redirecting(
    reply: FastifyReply,
    returnTo: string | undefined,
    findLocation: () => Promise<string>,
  ): Promise<FastifyReply> {
    const location = await findLocation().catch((error: unknown) =>
      signInPage({ failed: failureOf(error) }, returnTo),
    )
    return reply.redirect(location.startsWith('/') ? basePath + location : location, 303)
  }

  function failureOf(error: unknown): string {
    if (error instanceof OidcSignInError) return error.reason
    const { code, extra } = toFault(error)
    if (extra.reason !== undefined) return extra.reason
    if (code === 'internal') logger.error({ err: error }, 'a sign-in failed')
    return code === 'unavailable' ? 'unavailable' : 'failed'
  }
}

/** The query parameter with the address that the user wanted, here and on the sign-in page. */
const RETURN = 'return'

const signInPage = (query: Record<string, string>, returnTo: string | undefined): string =>
  `/app/sign-in?${new URLSearchParams({ ...query, ...(returnTo !== undefined && { [RETURN]: returnTo }) }).toString()}`
