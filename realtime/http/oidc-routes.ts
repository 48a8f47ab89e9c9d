// The two routes of a sign-in at an OpenID Connect provider. Browsers navigate to them, so each
// response is a redirect. A failure is passed to the sign-in page as one of a few codes and never
// as text, because anybody could make a link to the page with a text of their own. For the same
// reason the address to return to is passed to the sign-in page, which leads to its own pages only.
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { deviceName } from '../auth/device-name.ts'
import { OIDC_PATH, OidcSignInError, type Oidc } from '../auth/oidc.ts'
import type { Sessions } from '../auth/sessions.ts'
import type { AccountUseCases } from '../commands/account.ts'
import type { Logger } from '../observability/logger.ts'
import { isSecure } from './authenticate.ts'
import type { RequestLimits } from './request-limits.ts'

export interface OidcRoutesDeps {
  oidc: Oidc
  account: Pick<AccountUseCases, 'enter'>
  sessions: Sessions
  /** Every request is counted, because each one makes this server contact the provider. */
  requestLimits: RequestLimits
  toFault: (error: unknown) => Fault
  logger: Logger
  basePath: string
}

export function serveOidc(
  app: FastifyInstance,
  { oidc, account, sessions, requestLimits, toFault, logger, basePath }: OidcRoutesDeps,
): void {
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
      const user = await oidc.finish(cookie, request.url.replace(/^[^?]*/, ''))
      const context = {
        address: request.ip,
        device: deviceName(agent),
        mutation_id: newId(),
        present: await sessions.identify(cookie).catch(() => undefined),
      }
      const { session } = await account.enter(context, user)
      reply.header('set-cookie', await sessions.cookie.issue(session.id, isSecure(request)))
      return returnTo === undefined ? '/app' : signInPage({}, returnTo)
    })
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
    const { code } = toFault(error)
    if (code === 'internal') logger.error({ err: error }, 'a sign-in failed')
    return code === 'unavailable' ? 'unavailable' : 'failed'
  }
}

/** The query parameter with the address that the user wanted, here and on the sign-in page. */
const RETURN = 'return'

const signInPage = (query: Record<string, string>, returnTo: string | undefined): string =>
  `/app/sign-in?${new URLSearchParams({ ...query, ...(returnTo !== undefined && { [RETURN]: returnTo }) }).toString()}`
