// Handlers of the routes under /auth and /users/me.
import type { SignInMethods } from '@lockstep/protocol/account'
import { Fault } from '@lockstep/protocol/errors'
import type { Identity } from '../auth/sessions.ts'
import type { AccountUseCases, WithoutSession } from '../commands/account.ts'
import type { PreferencesUseCases } from '../commands/preferences.ts'
import type { SignInContext } from '../commands/sign-in.ts'
import type { Handlers, RequestContext } from './route-handler.ts'

/** A session changes only once, when it ends. */
const SESSION_VERSION = 1

/**
 * The visitor, with the session that the browser brings along. A browser holds one session, so that
 * one ends when a sign-in begins another.
 */
export const visitorOf = async (
  context: RequestContext,
): Promise<SignInContext & { origin: string }> => ({
  ...context,
  present: await context.present(),
})

/** Handlers for signing up and signing in by password. */
export const passwordHandlers = (account: AccountUseCases) =>
  ({
    async register({ body }, context) {
      const signedIn = await account.register(await visitorOf(context), body)
      if ('waiting' in signedIn) {
        context.response.status(202)
        return signedIn
      }
      await context.response.signIn(signedIn.session.id)
      return signedIn
    },
    async login({ body }, context) {
      const signedIn = await account.login(await visitorOf(context), body)
      await context.response.signIn(signedIn.session.id)
      return signedIn
    },
    async resetPassword({ body }, context) {
      await account.resetPassword(await visitorOf(context), body.token, body.password)
      return undefined
    },
  }) satisfies Handlers

export const accountHandlers = (account: AccountUseCases, methods: SignInMethods) =>
  ({
    getSignInMethods: () => Promise.resolve(methods),
    async logout(_input, { caller, identity, response }) {
      if (!identity.offered) await account.revoke(caller, { session_id: identity.session_id })
      response.signOut()
      return undefined
    },
    getMe: (_input, { caller, identity, address }) =>
      account.me(caller, withoutSession(identity, address)),
    renameMe: async ({ body }, { caller }) => ({
      user: await account.rename(caller, body.username),
    }),
    async changePassword({ body }, { caller, address, response }) {
      const session_id = await account.changePassword(caller, address, {
        current: body.current_password,
        next: body.new_password,
      })
      if (session_id !== undefined) await response.signIn(session_id)
      return undefined
    },
    async deleteMe({ body }, { caller, address, response }) {
      await account.remove(caller, address, body.password)
      response.signOut()
      return undefined
    },
    listSessions: (_input, { caller }) => account.listSessions(caller),
    async revokeSession({ params }, { caller, if_version, identity, response }) {
      if (if_version !== undefined && if_version !== SESSION_VERSION) {
        const { items } = await account.listSessions(caller)
        const current = items.find(({ id }) => id === params.id)
        if (current) throw new Fault('version_conflict', { current })
      }
      await account.revoke(caller, { session_id: params.id })
      if (params.id === identity.session_id) response.signOut()
      return undefined
    },
  }) satisfies Handlers

function withoutSession(identity: Identity, address: string): WithoutSession | undefined {
  const { token, offered, session_id: id, device, session_created_at } = identity
  if (token) return { token }
  if (!offered) return undefined
  return { offered: { id, device, address, created_at: session_created_at.toISOString() } }
}

export const preferencesHandlers = (preferences: PreferencesUseCases) =>
  ({
    getPreferences: (_input, { caller }) => preferences.get(caller.user_id),
    async putPreferences({ body }, { caller, if_version, only_if_absent }) {
      if (only_if_absent)
        throw new Fault('version_conflict', { current: await preferences.get(caller.user_id) })
      const { data, epoch, seq, changed } = await preferences.update(caller, {
        patch: body,
        if_version,
      })
      return changed ? { ...data, epoch, seq } : preferences.get(caller.user_id)
    },
  }) satisfies Handlers
