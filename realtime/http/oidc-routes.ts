// The two addresses of a sign-in at an OpenID Connect provider. They are pages' way, not the API's: whatever happens ends in a redirect, and
// what went wrong is told to the sign-in page as one of a few words, as any link could bring somebody there with any text.
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
  /** Each request of anybody makes this server ask the provider. */
  requestLimits: RequestLimits
  toFault: (error: unknown) => Fault
  logger: Logger
}

export function serveOidc(
  app: FastifyInstance,
  { oidc, account, sessions, requestLimits, toFault, logger }: OidcRoutesDeps,
): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('cache-control', 'no-store')
    requestLimits.countAddress(request.ip)
  })

  app.get(OIDC_PATH, (request, reply) =>
    answering(reply, async () => {
      const { location, cookie } = await oidc.begin(request.host)
      reply.header('set-cookie', cookie)
      return location
    }),
  )

  app.get(`${OIDC_PATH}/callback`, (request, reply) =>
    answering(reply.header('set-cookie', oidc.clearCookie), async () => {
      const { cookie, 'user-agent': agent } = request.headers
      const user = await oidc.finish(cookie, request.url.replace(/^[^?]*/, ''))
      const visitor = { address: request.ip, device: deviceName(agent), mutation_id: newId() }
      const { session } = await account.enter(visitor, user)
      reply.header('set-cookie', await sessions.cookie.issue(session.id, isSecure(request)))
      return '/app'
    }),
  )

  async function answering(
    reply: FastifyReply,
    deed: () => Promise<string>,
  ): Promise<FastifyReply> {
    return reply.redirect(await deed().catch(refusal), 303)
  }

  function refusal(error: unknown): string {
    if (error instanceof OidcSignInError) return `/app/sign-in?failed=${error.reason}`
    const { code } = toFault(error)
    if (code === 'internal') logger.error({ err: error }, 'a sign-in broke')
    return `/app/sign-in?failed=${code === 'unavailable' ? 'unavailable' : 'failed'}`
  }
}
