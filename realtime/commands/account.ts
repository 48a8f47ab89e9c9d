// What users do with their account and sessions. A revocation removes the session's document first (from then on it is dead, on every
// node), then ends its sockets, then tells the other devices.
import type { AccountCommands, ListedSession, User } from '@lockstep/protocol/account'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { limits as most } from '@lockstep/protocol/limits'
import type { Passwords } from '../auth/passwords.ts'
import type { RateLimits } from '../auth/rate-limits.ts'
import type { Sessions } from '../auth/sessions.ts'
import type { Caller } from '../log/entry.ts'
import { keyReused } from '../log/append.ts'
import type { Log } from '../log/log.ts'
import { findLastAccountEntry } from '../store/account-entries.ts'
import type { Database } from '../store/database.ts'
import type { ChangeDocument } from '../store/changes.ts'
import { deleteSession, deleteSessionsOf, findSession, findSessionsOf } from '../store/sessions.ts'
import { findUser, renameUser, replacePassword, type UserDocument } from '../store/users.ts'
import { createAccountDeletion } from './account-deletion.ts'
import { createAccountLog, type CommandIdentity } from './account-log.ts'
import type { Outcome, CommandContext } from './commands.ts'
import { createSignIn, toSession, toUser, type SignInResult, type SignIn } from './sign-in.ts'

/** The sockets of sessions, on all nodes. */
export interface SessionSockets {
  /** Ends every socket of these sessions, at once. */
  disconnectSessions(sessionIds: readonly string[]): void
  /** The user's sessions that have a socket now. */
  onlineSessions(user_id: string): Promise<Set<string>>
}

/** A session is a proof of who it is for so long (ms). */
const FRESH_MS = 10 * 60 * 1000

interface AtHead {
  epoch: string
  /** Of topic `account`; what comes with it is at least as new. */
  seq: number
}

export interface AccountUseCases extends SignIn {
  /** Who is signed in. Throws `unauthenticated` when the session ended meanwhile. */
  me(caller: Caller): Promise<SignInResult & AtHead>
  /** Throws `username_taken`. */
  rename(request: CommandContext, username: string): Promise<User>
  /** Also revokes the other sessions. Faults: `invalid_credentials`, `rate_limited`, `invalid` for an account without a password. */
  changePassword(
    request: CommandContext,
    address: string,
    passwords: { current: string; next: string },
  ): Promise<void>
  /**
   * Deletes the account and all its content. One without a password needs a session that has just begun instead. Faults:
   * `invalid_credentials`, `rate_limited`, `invalid` without the password that it has.
   */
  remove(request: CommandContext, address: string, password: string | undefined): Promise<void>
  /** Those that are alive, newest first. */
  listSessions(caller: Caller): Promise<{ items: ListedSession[] } & AtHead>
  /** Signs a device out, the own one included. Throws `not_found` for what isn't a session of the user, or isn't one any more. */
  revoke(
    request: CommandContext,
    command: AccountCommands['revoke'],
  ): Promise<Outcome<AccountCommands['revoke']>>
  /** Finishes deletions that stopped half-way: at start and every few minutes. */
  finishDeletions(): Promise<void>
}

export function createAccount(rooms: {
  database: Database
  log: Log
  sessions: Sessions
  passwords: Passwords
  limits: RateLimits
  devices: SessionSockets
}): AccountUseCases {
  const { database, log, passwords, limits, devices } = rooms
  const accountLog = createAccountLog(log)
  const deletion = createAccountDeletion(rooms)

  async function present(user_id: string): Promise<UserDocument> {
    const user = await findUser(database, user_id)
    if (!user || user.closing)
      throw new Fault('unauthenticated', { detail: 'This account is gone' })
    return user
  }

  async function prove(
    { password_hash }: UserDocument,
    password: string | undefined,
  ): Promise<void> {
    if (password === undefined)
      throw new Fault('invalid', {
        issues: [{ path: 'password', message: 'is needed to delete the account' }],
      })
    if (!(await passwords.verify(password, password_hash))) throw new Fault('invalid_credentials')
  }

  /** What stands for the password where there is none: a device that was left open for long does not suffice. */
  async function needFreshSession({ session_id }: Caller): Promise<void> {
    const session = await findSession(database, session_id ?? '', new Date())
    if (!session || Date.now() - session.created_at.getTime() > FRESH_MS)
      throw new Fault('invalid_credentials', {
        detail: 'Sign in again, and delete the account within 10 minutes',
      })
  }

  /** Tells the present name, unless it has been told: so a rename that stopped before this is told by its repetition. */
  const tellName = (request: CommandContext, identity: CommandIdentity) =>
    accountLog.tell(
      request,
      identity,
      async () => ({
        user: await present(request.user_id),
        told: await findLastAccountEntry(database, request.user_id, request.user_id, ['renamed']),
      }),
      ({ user: { _id, username, version }, told }) =>
        (told ? told.data?.username === username : version === 1)
          ? undefined
          : { op: 'renamed', entity_id: _id, version, data: { username } },
    )

  /** `removed`: its document was there just now, so it is told even if its beginning wasn't. */
  const tellRevoked = (request: CommandContext, session_id: string, removed: boolean) =>
    accountLog.tell(
      request,
      ['revoke', session_id],
      () => findLastAccountEntry(database, request.user_id, session_id),
      (last) => {
        if (last ? last.op === 'session_revoked' : !removed)
          throw new Fault('not_found', { detail: 'There is no such session' })
        const version = (last?.version ?? 0) + 1
        return { op: 'session_revoked', entity_id: session_id, version, data: { session_id } }
      },
    )

  /** The repetition of a change that stopped half-way finds the password replaced already. */
  async function replace(user_id: string, given: { current: string; next: string }): Promise<void> {
    for (;;) {
      const { password_hash } = await present(user_id)
      if (password_hash === undefined)
        throw new Fault('invalid', {
          detail: 'This account has no password: its sign-in is elsewhere',
        })
      if (!(await passwords.verify(given.current, password_hash))) {
        if (await passwords.verify(given.next, password_hash)) return
        throw new Fault('invalid_credentials')
      }
      const to = await passwords.hash(given.next)
      if (await replacePassword(database, user_id, { from: password_hash, to, changed: true }))
        return
    }
  }

  /** No trace of a password is in the log: as long as the account hasn't changed again, a repetition is what asks for its password. */
  async function checkRepetition(
    user: UserDocument,
    first: ChangeDocument,
    proof: () => Promise<void>,
  ): Promise<void> {
    if (user.version !== first.version) return
    await proof().catch((error: unknown) => {
      throw error instanceof Fault && error.code === 'invalid_credentials' ? keyReused() : error
    })
  }

  async function endOtherSessions(request: CommandContext): Promise<void> {
    await tellEnded(
      request,
      await deleteSessionsOf(database, request.user_id, request.session_id ?? undefined),
    )
  }

  /** The oldest devices of a user who has signed in on too many. */
  async function endOldest(request: CommandContext): Promise<void> {
    const sessions = await findSessionsOf(database, request.user_id, new Date())
    const oldest = sessions.slice(most.sessionsPerUser).map(({ _id }) => _id)
    for (const id of oldest) await deleteSession(database, request.user_id, id)
    await tellEnded(request, oldest)
  }

  async function tellEnded(request: CommandContext, ended: readonly string[]): Promise<void> {
    devices.disconnectSessions(ended)
    for (const id of ended)
      await tellRevoked({ ...request, mutation_id: newId() }, id, true).catch((error: unknown) => {
        // revoked by another device meanwhile
        if (!(error instanceof Fault && error.code === 'not_found')) throw error
      })
  }

  return {
    ...createSignIn({ ...rooms, accountLog, endOldest }),

    async me({ user_id, session_id }) {
      const head = await log.head(user_id, 'account') // before the documents: they are written before their entries
      const user = await present(user_id)
      const session = await findSession(database, session_id ?? '', new Date())
      if (!session) throw new Fault('unauthenticated')
      return { user: toUser(user), session: toSession(session), ...head }
    },

    async rename(request, username) {
      const identity = ['rename', username] as const
      if (!(await accountLog.first(request, identity))) {
        if (!(await renameUser(database, request.user_id, username)))
          throw new Fault('username_taken')
        await tellName(request, identity)
      }
      return toUser(await present(request.user_id))
    },

    async changePassword(request, address, given) {
      const identity = ['password'] as const
      const user = await present(request.user_id)
      const { username, _id } = user
      const first = await accountLog.first(request, identity)
      if (first)
        return checkRepetition(user, first, () =>
          limits.checkPassword(username, address, () => prove(user, given.next), true),
        )
      await limits.checkPassword(username, address, () => replace(_id, given), true)
      await endOtherSessions(request)
      await accountLog.tell(
        request,
        identity,
        () => present(_id),
        ({ version }) => ({ op: 'password_changed', entity_id: _id, version, data: {} }),
      )
    },

    async remove(request, address, password) {
      const user = await present(request.user_id)
      if (user.password_hash === undefined) await needFreshSession(request)
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

    async revoke(request, { session_id }) {
      const removed = await deleteSession(database, request.user_id, session_id)
      if (removed) devices.disconnectSessions([session_id])
      const { seq, version, changed } = await tellRevoked(request, session_id, removed)
      return { data: { session_id }, seq, version, changed }
    },

    finishDeletions: deletion.finish,
  }
}
