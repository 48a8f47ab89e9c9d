// Writes what happens to accounts to the security log, in one place for HTTP, sockets and proxies.
import { Fault } from '@lockstep/protocol/errors'
import type { Caller } from '../log/entry.ts'
import type { SecurityEvent, SecurityLog } from '../observability/security-log.ts'
import type { Database } from '../store/database.ts'
import { findUser, findUserByName } from '../store/users.ts'
import type { AccountUseCases } from './account.ts'
import type { SignInContext, SignInResult } from './sign-in.ts'

const ofVisitor = ({ address, device }: SignInContext): SecurityEvent => ({ address, device })
const ofResult = ({ user, session }: SignInResult): SecurityEvent => ({
  account: user.username,
  user_id: user.id,
  session_id: session.id,
})

export function auditAccount(
  account: AccountUseCases,
  database: Database,
  security: SecurityLog,
): AccountUseCases {
  /** A look-up that fails costs the line its name, not the answer. */
  const nameOf = async (user_id: string): Promise<string | null> =>
    (await findUser(database, user_id).catch(() => null))?.username ?? null
  const knownName = async (username: string): Promise<string | null> =>
    (await findUserByName(database, username).catch(() => null))?.username ?? null

  /** Runs a use case and notes `event`, or `refused` with the reason. */
  async function noted<T>(
    [event, refused]: readonly [event: string, refused: string],
    run: () => Promise<T>,
    describe: (result?: T) => Promise<SecurityEvent> | SecurityEvent,
  ): Promise<T> {
    try {
      const result = await run()
      security.note(event, await describe(result))
      return result
    } catch (error) {
      const reason = error instanceof Fault ? (error.extra.reason ?? error.code) : 'internal'
      security.note(refused, { ...(await describe()), reason })
      throw error
    }
  }

  const ofCaller = async ({
    user_id,
    session_id,
    device,
    address,
  }: Caller): Promise<SecurityEvent> => ({
    account: await nameOf(user_id),
    user_id,
    session_id,
    device,
    address,
  })
  /** The name as it was before: the account may be gone afterwards, or have another one. */
  async function byCaller<T>(
    events: readonly [event: string, refused: string],
    caller: Caller,
    run: () => Promise<T>,
  ): Promise<T> {
    const described = await ofCaller(caller)
    return noted(events, run, () => described)
  }

  return {
    ...account,
    register: (visitor, credentials) =>
      noted(
        ['signed_up', 'sign_up_refused'],
        () => account.register(visitor, credentials),
        async (result) => ({
          ...ofVisitor(visitor),
          account: result ? credentials.username : await knownName(credentials.username),
          ...(result && !('waiting' in result) && ofResult(result)),
          ...(result && 'waiting' in result && { reason: 'awaiting_approval' }),
        }),
      ),
    login: (visitor, credentials) =>
      noted(
        ['signed_in', 'sign_in_refused'],
        () => account.login(visitor, credentials),
        async (result) => ({
          ...ofVisitor(visitor),
          ...(result ? ofResult(result) : { account: await knownName(credentials.username) }),
        }),
      ),
    startFor: (user, visitor, identity) =>
      noted(
        ['signed_in', 'sign_in_refused'],
        () => account.startFor(user, visitor, identity),
        (result) => ({
          ...ofVisitor(visitor),
          account: user.username,
          user_id: user._id,
          ...(result && ofResult(result)),
        }),
      ),
    enter: (visitor, user) =>
      noted(
        ['signed_in_by_host', 'sign_in_by_host_refused'],
        () => account.enter(visitor, user),
        (result) => ({ ...ofVisitor(visitor), ...(result && ofResult(result)) }),
      ),
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
          account: await nameOf(token.split('.')[0] ?? ''),
        }),
      ),
    remove: (context, ...rest) =>
      byCaller(['account_deleted', 'deletion_refused'], context, () =>
        account.remove(context, ...rest),
      ),
    revoke: (context, ...rest) =>
      byCaller(['session_ended', 'session_end_refused'], context, () =>
        account.revoke(context, ...rest),
      ),
  }
}
