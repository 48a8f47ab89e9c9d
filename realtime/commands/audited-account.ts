// Writes what happens to accounts to the security log, in one place for HTTP, sockets and proxies.
import { Fault } from '@lockstep/protocol/errors'
import type { AccountUseCases } from './account.ts'
import { ofResult, ofVisitor, type AuditTrail } from './audit-trail.ts'

export function auditAccount(account: AccountUseCases, trail: AuditTrail): AccountUseCases {
  const { noted, byCaller, nameOf, knownName, nameOfHost } = trail
  /** Whoever sends an id may have made it up. */
  const known = async (id: string) => {
    const account = await nameOf(id)
    return { account, ...(account !== null && { user_id: id }) }
  }
  return {
    ...account,
    // Looks up no name, because the time of a refusal may not tell whether there is an account.
    register: (visitor, credentials) => {
      let isTaken = false
      const register = () =>
        account.register(visitor, credentials).catch((error: unknown) => {
          isTaken = error instanceof Fault && error.code === 'username_taken'
          throw error
        })
      return noted(['signed_up', 'sign_up_refused'], register, (result) => ({
        ...ofVisitor(visitor),
        account: result || isTaken ? credentials.username : null,
        ...(result && !('waiting' in result) && ofResult(result)),
        ...(result && 'waiting' in result && { reason: 'awaiting_approval' }),
      }))
    },
    login: (visitor, credentials) =>
      noted(
        ['signed_in', 'sign_in_refused'],
        () => account.login(visitor, credentials),
        async (result) => ({
          ...ofVisitor(visitor),
          way: 'password',
          ...(result ? ofResult(result) : { account: await knownName(credentials.username) }),
        }),
      ),
    enter: (visitor, user) =>
      noted(
        ['signed_in_by_host', 'sign_in_by_host_refused'],
        () => account.enter(visitor, user),
        async (result) => ({
          ...ofVisitor(visitor),
          ...(result ? ofResult(result) : { account: await nameOfHost(user) }),
        }),
      ),
    async recognize(visitor, user) {
      try {
        return await account.recognize(visitor, user)
      } catch (error) {
        const refused = () => Promise.reject<never>(error)
        return noted(['signed_in_by_host', 'sign_in_by_host_refused'], refused, async () => ({
          ...ofVisitor(visitor),
          account: await nameOfHost(user),
        }))
      }
    },
    async beginOffered(session_id, offer) {
      const begun = await account.beginOffered(session_id, offer)
      if (!begun?.began) return begun
      return noted(
        ['signed_in_by_host', 'sign_in_by_host_refused'],
        () => Promise.resolve(begun),
        () => ({
          ...ofVisitor(offer),
          account: begun.user.username,
          user_id: begun.user._id,
          session_id,
        }),
      )
    },
    confirm: (caller, ...rest) =>
      byCaller(['confirmed', 'confirm_refused'], caller, () => account.confirm(caller, ...rest)),
    rename: (context, ...rest) =>
      byCaller(['renamed', 'rename_refused'], context, () => account.rename(context, ...rest)),
    changePassword: (context, ...rest) =>
      byCaller(['password_changed', 'password_change_refused'], context, () =>
        account.changePassword(context, ...rest),
      ),
    resetPassword: (visitor, token, password) =>
      noted(
        ['password_reset', 'password_reset_refused'],
        () => account.resetPassword(visitor, token, password),
        async () => ({
          ...ofVisitor(visitor),
          ...(await known(token.split('.')[0] ?? '')),
        }),
      ),
    remove: (context, ...rest) =>
      byCaller(['account_deleted', 'deletion_refused'], context, () =>
        account.remove(context, ...rest),
      ),
    revoke: (context, command) =>
      byCaller(
        ['session_ended', 'session_end_refused'],
        context,
        () => account.revoke(context, command),
        () => ({ target: command.session_id }),
      ),
  }
}
