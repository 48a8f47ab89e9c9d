// What users do with their account and sessions. A revocation deletes the session's document first,
// so that the session is dead on every node. Then it ends the session's sockets, and then it tells
// the other devices.
import type {
  AccountCommands,
  ListedSession,
  Session,
  SignUp,
  User,
} from '@lockstep/protocol/account'
import { Fault } from '@lockstep/protocol/errors'
import type { Answer } from '@lockstep/protocol/rest'
import type { UsedToken } from '@lockstep/protocol/tokens'
import type { PasswordRules } from '../auth/password-rules.ts'
import type { Passwords } from '../auth/passwords.ts'
import type { RateLimits } from '../auth/rate-limits.ts'
import { hashOf } from './secret-links.ts'
import type { Sessions } from '../auth/sessions.ts'
import type { Caller, CommandContext } from '../log/entry.ts'
import { mutationIdReused } from '../log/append.ts'
import type { Log } from '../log/log.ts'
import type { Database } from '../store/database.ts'
import type { UserDocument } from '../store/documents.ts'
import { findSession, findSessionsOf } from '../store/sessions.ts'
import { takeToday } from '../store/usage.ts'
import { findUser, renameUser, replacePassword, resetPassword } from '../store/users.ts'
import { toSession, toUser } from './account-answers.ts'
import { createAccountDeletion } from './account-deletion.ts'
import { createAccountLog, type CommandIdentity, type Told } from './account-log.ts'
import { createAccountSessions } from './account-sessions.ts'
import { dayRefusal } from './daily-quota.ts'
import type { Outcome } from './outcome.ts'
import { createRecentSignIn } from './recent-sign-in.ts'
import type { SecondStepTickets } from './second-step-tickets.ts'
import type { SessionSockets } from './session-sockets.ts'
import { createSignIn, type SignIn, type SignInContext } from './sign-in.ts'

interface AtHead {
  epoch: string
  /** Head of topic `account`. The data beside it is at least as new. */
  seq: number
}

/** New names of one account in a day. */
const RENAMES = 5

/** What a request has instead of a session: a token, or the offer of a session. */
export type WithoutSession = { token: UsedToken } | { offered: Session }

export interface AccountUseCases extends SignIn {
  /**
   * The user and the session that asks, or what takes its place. Throws `unauthenticated` when the
   * session has ended meanwhile.
   */
  me(caller: Caller, without?: WithoutSession): Promise<Answer<'getMe'>>
  /**
   * Proves again who the caller is; resolves to the time until which that counts. Faults:
   * `invalid_credentials`, `rate_limited`, `invalid` for an account without a password.
   */
  confirm(caller: Caller, address: string, password: string): Promise<Date>
  /**
   * Faults: `username_taken`, `invalid_credentials` without a recent sign-in, `rate_limited` after
   * five renames in a day.
   */
  rename(context: CommandContext, username: string): Promise<User>
  /**
   * Changes the password, revokes the other sessions and gives the present one a new id, which it
   * resolves to; undefined if it has that already, or has ended. Faults: `invalid_credentials`,
   * `rate_limited`, `invalid` for an account without a password.
   */
  changePassword(
    context: CommandContext,
    address: string,
    passwords: { current: string; next: string },
  ): Promise<string | undefined>
  /**
   * Sets a password by the operator's link and ends all sessions. Faults: `invalid_credentials` if
   * the link isn't valid any more, `invalid` at `password`.
   */
  resetPassword(visitor: SignInContext, token: string, password: string): Promise<void>
  /**
   * Deletes the account and all its content. An account without a password needs a recent sign-in
   * instead. Faults: `invalid_credentials`, `rate_limited`, `invalid` when the password
   * is missing.
   */
  remove(context: CommandContext, address: string, password: string | undefined): Promise<void>
  /** The sessions that haven't ended, newest first. */
  listSessions(caller: Caller): Promise<{ items: ListedSession[] } & AtHead>
  /**
   * Ends a session, which may be the caller's own. Throws `not_found` if the user has no such
   * session, or no longer has it.
   */
  revoke(
    context: CommandContext,
    command: AccountCommands['revoke'],
  ): Promise<Outcome<AccountCommands['revoke']>>
  /** Completes deletions that stopped half-way. Called at start and every few minutes. */
  finishDeletions(): Promise<void>
}

export function createAccount(deps: {
  database: Database
  log: Log
  sessions: Sessions
  passwords: Passwords
  passwordRules: PasswordRules
  limits: RateLimits
  secondStep: Pick<SecondStepTickets, 'demand'>
  devices: SessionSockets
  /** Who may make an account. */
  signUp: SignUp
}): AccountUseCases {
  const { database, log, passwords, passwordRules, limits, devices } = deps
  const accountLog = createAccountLog(log)
  const deletion = createAccountDeletion(deps)
  const ofUser = createAccountSessions({ ...deps, accountLog })
  const recentSignIn = createRecentSignIn(database)

  const present = async (user_id: string): Promise<UserDocument> =>
    existingUser(await findUser(database, user_id))

  /** Counts a new name. Throws `rate_limited` if there have been too many today. */
  async function countRename(user_id: string): Promise<void> {
    const now = new Date()
    const reached = await takeToday(database, user_id, ['renames', 1], { renames: RENAMES }, now)
    if (reached) throw dayRefusal(reached, RENAMES, now)
  }

  async function prove(
    { password_hash }: UserDocument,
    password: string | undefined,
  ): Promise<void> {
    if (password === undefined)
      throw new Fault('invalid', {
        issues: [{ path: 'password', message: 'is needed to delete the account' }],
      })
    if (password_hash === undefined) throw noPassword()
    if (!(await passwords.verify(password, password_hash))) throw new Fault('invalid_credentials')
  }

  /**
   * Appends `renamed` with the present name, unless the log has it already. So repeating a rename
   * that stopped half-way completes it.
   */
  const tellName = (context: CommandContext, identity: CommandIdentity) =>
    accountLog.tell(
      context,
      identity,
      {
        entity_id: context.user_id,
        needs: { user: true, lastEntry: { ops: ['renamed'] } },
      },
      ({ user, lastEntry }) => {
        const { _id, username, version } = existingUser(user)
        const isTold = lastEntry ? lastEntry.data?.username === username : version === 1
        return isTold ? undefined : { op: 'renamed', entity_id: _id, version, data: { username } }
      },
    )

  const tellPassword = (context: CommandContext) =>
    accountLog.tell(
      context,
      ['password'],
      { entity_id: context.user_id, needs: { user: true } },
      ({ user }) => {
        const { _id, version } = existingUser(user)
        return { op: 'password_changed', entity_id: _id, version, data: {} }
      },
    )

  /**
   * A repeated change that had stopped half-way finds the new password already. Only the same
   * request may prove itself by the new password: otherwise any request could guess passwords by
   * asking for a change to them.
   */
  async function replace(
    { user_id, mutation_id }: CommandContext,
    given: { current: string; next: string },
  ): Promise<void> {
    for (;;) {
      const { password_hash, password_change } = await present(user_id)
      if (password_hash === undefined) throw noPassword()
      const isRepeated = password_change === mutation_id
      const proof = isRepeated ? given.next : given.current
      if (!(await passwords.verify(proof, password_hash))) throw new Fault('invalid_credentials')
      if (isRepeated) return
      const to = await passwords.hash(given.next)
      const change = { from: password_hash, to, changedBy: mutation_id }
      if (await replacePassword(database, user_id, change)) return
    }
  }

  /**
   * A repeated request has to prove its password: the log contains no trace of a password that a
   * repetition could be compared with. This holds only as long as the account hasn't changed again.
   */
  async function checkRepetition(
    user: UserDocument,
    first: Told,
    proof: () => Promise<void>,
  ): Promise<void> {
    if (user.version !== first.version) return
    await proof().catch((error: unknown) => {
      throw error instanceof Fault && error.code === 'invalid_credentials'
        ? mutationIdReused()
        : error
    })
  }

  return {
    ...createSignIn({ ...deps, accountLog, ...ofUser }),

    async me({ user_id, session_id }, without) {
      // the head first: documents are written before their entries
      const head = await log.head(user_id, 'account')
      const user = await present(user_id)
      if (without && 'token' in without)
        return { user: toUser(user), session: null, ...without, ...head }
      if (without) return { user: toUser(user), session: without.offered, ...head }
      const session = await findSession(database, session_id ?? '', new Date())
      if (!session) throw new Fault('unauthenticated')
      return { user: toUser(user), session: toSession(session), ...head }
    },

    async confirm(caller, address, password) {
      const user = await present(caller.user_id)
      await limits.checkPassword(user.username, address, () => prove(user, password), true)
      return recentSignIn.confirmed(caller)
    },

    async rename(context, username) {
      const identity = ['rename', username] as const
      if (!(await accountLog.first(context, identity))) {
        await recentSignIn.need(context, 'rename the account')
        if ((await present(context.user_id)).username !== username)
          await countRename(context.user_id)
        if (!(await renameUser(database, context.user_id, username)))
          throw new Fault('username_taken')
        await tellName(context, identity)
      }
      return toUser(await present(context.user_id))
    },

    async changePassword(context, address, given) {
      const identity = ['password'] as const
      const user = await present(context.user_id)
      const { username } = user
      const first = await accountLog.first(context, identity)
      if (first) {
        await checkRepetition(user, first, () =>
          limits.checkPassword(username, address, () => prove(user, given.next), true),
        )
        return undefined
      }
      await passwordRules.check(username, given.next)
      await limits.checkPassword(username, address, () => replace(context, given), true)
      await ofUser.endOthers(context)
      await tellPassword(context)
      return ofUser.renew(context)
    },

    async resetPassword({ device, mutation_id }, token, password) {
      const [user_id = '', secret = ''] = token.split('.')
      const user = await findUser(database, user_id)
      const hash = hashOf(secret)
      const isValid = user?.reset?.hash === hash && user.reset.expires_at > new Date()
      if (!isValid) throw linkIsOver()
      await passwordRules.check(user.username, password)
      const to = await passwords.hash(password)
      if (!(await resetPassword(database, user_id, { hash, to, now: new Date() })))
        throw linkIsOver()
      const context = { user_id, session_id: null, device, mutation_id }
      await ofUser.endOthers(context)
      await tellPassword(context)
    },

    async remove(context, address, password) {
      const user = await present(context.user_id)
      if (user.password_hash === undefined) await recentSignIn.need(context, 'delete the account')
      else await limits.checkPassword(user.username, address, () => prove(user, password), true)
      await deletion.remove(user)
    },

    async listSessions({ user_id, session_id }) {
      const head = await log.head(user_id, 'account')
      const [found, online] = await Promise.all([
        findSessionsOf(database, user_id, new Date()),
        devices.onlineSessions(user_id),
      ])
      const items = found.map((session) => ({
        ...toSession(session),
        last_seen_at: session.last_seen_at.toISOString(),
        current: session._id === session_id,
        online: online.has(session._id),
      }))
      return { items, ...head }
    },

    revoke: ofUser.revoke,
    finishDeletions: deletion.finish,
  }
}

/** Throws `unauthenticated` for an account that is gone or about to go. */
function existingUser(user: UserDocument | null | undefined): UserDocument {
  if (!user || user.closing) throw new Fault('unauthenticated', { detail: 'This account is gone' })
  return user
}

const linkIsOver = () =>
  new Fault('invalid_credentials', {
    detail: 'This link is not valid any more: ask whoever runs this server for a new one',
  })

const noPassword = () =>
  new Fault('invalid', { detail: 'This account has no password: its sign-in is elsewhere' })
