// Signing up and in. If either stops half-way, what remains does no harm: heads without a user, or
// a session whose cookie nobody has.
import type { Session, SignUp, User } from '@lockstep/protocol/account'
import { Fault, type FaultExtra } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { hasEnded } from '../auth/ended-sign-ins.ts'
import type { HostUser } from '../auth/host-user.ts'
import type { PasswordRules } from '../auth/password-rules.ts'
import type { Passwords } from '../auth/passwords.ts'
import type { RateLimits } from '../auth/rate-limits.ts'
import type { SessionOffer } from '../auth/session-cookie.ts'
import type { Sessions } from '../auth/sessions.ts'
import { derivedId } from '../log/derived-id.ts'
import type { Log } from '../log/log.ts'
import type { Database } from '../store/database.ts'
import type { HostSession, SessionDocument, UserDocument } from '../store/documents.ts'
import { deleteSession, findSession } from '../store/sessions.ts'
import { findUser, findUserByName, replacePassword } from '../store/users.ts'
import { toSession, toUser } from './account-answers.ts'
import type { AccountLog, CommandIdentity } from './account-log.ts'
import type { AccountSessions, Identified } from './account-sessions.ts'
import type { SecondStepTickets } from './second-step-tickets.ts'
import { accountOfHost, makeAccount } from './new-account.ts'
import { createSignUpAdmission } from './sign-up-admission.ts'

/** Somebody who isn't signed in yet. */
export interface SignInContext {
  address: string
  device: string
  /** The visitor's Idempotency-Key, else a fresh id. */
  mutation_id: string
  /** Who is signed in in the visitor's browser. That session ends when another one begins. */
  present?: Identified
}
export interface PasswordCredentials {
  /** Converted to lower case. */
  username: string
  password: string
}
/** A sign-up, with what proves that the visitor was invited. */
export interface SignUpCredentials extends PasswordCredentials {
  invitation?: string
}
export interface SignInResult {
  user: User
  session: Session
}

/** `began`: by this call, and not by another request with the same cookie. */
export interface BegunSession {
  user: UserDocument
  session: SessionDocument
  began: boolean
}

export interface SignIn {
  /**
   * Creates an account and signs it in; `waiting`: the operator has to approve it first. Faults:
   * `username_taken`, `rate_limited`, `invalid` at `invitation`, `not_found` if nobody may sign up.
   */
  register(
    visitor: SignInContext,
    credentials: SignUpCredentials,
  ): Promise<SignInResult | { waiting: true }>
  /**
   * Faults: `invalid_credentials` (whether the name or the password is wrong; with a `reason` if
   * the account is locked or waits for approval), `rate_limited`.
   */
  login(visitor: SignInContext, credentials: PasswordCredentials): Promise<SignInResult>
  /** Signs in a user of the host app, which has authenticated them. Creates a missing account. */
  enter(visitor: SignInContext, user: HostUser): Promise<SignInResult>
  /**
   * Finds the account of a user of the host app, which has authenticated them. The first call
   * creates the account. No call begins a session. Throws `unauthenticated` if the user may not
   * enter.
   */
  recognize(
    visitor: Pick<SignInContext, 'address' | 'device'>,
    user: HostUser,
  ): Promise<UserDocument>
  /**
   * Begins the session that a cookie has offered, once. Undefined if it has ended, or if its user
   * may not enter any more.
   */
  beginOffered(session_id: string, offer: SessionOffer): Promise<BegunSession | undefined>
  /**
   * Signs in a user who has proven who it is otherwise. Throws `invalid_credentials` if the account
   * can't be entered any more.
   */
  startFor(
    user: UserDocument,
    visitor: SignInContext,
    identity: CommandIdentity,
  ): Promise<SignInResult>
}

export function createSignIn(
  deps: {
    database: Database
    log: Log
    accountLog: AccountLog
    sessions: Sessions
    passwords: Passwords
    passwordRules: PasswordRules
    limits: RateLimits
    signUp: SignUp
    secondStep: Pick<SecondStepTickets, 'demand'>
  } & Pick<AccountSessions, 'endOldest' | 'endEarlier'>,
): SignIn {
  const { database, accountLog, sessions, passwords, passwordRules, limits, secondStep } = deps
  const { endOldest, endEarlier } = deps
  const admission = createSignUpAdmission(database, deps.signUp)

  /** The user with this name and password. An unknown name takes as long as a wrong password. */
  async function prove({ username, password }: PasswordCredentials): Promise<UserDocument> {
    const user = await findUserByName(database, username)
    const right = await passwords.verify(password, user?.password_hash)
    if (!user || user.closing || !right) throw new Fault('invalid_credentials')
    return user
  }

  /**
   * Somebody may sign in while the password is changed or the account is deleted. That change ends
   * the sessions that it finds after it was written; this check looks for the change after the
   * session was written. So one of the two sees the other.
   */
  async function stillRight(
    { _id, password_hash }: UserDocument,
    password?: string,
  ): Promise<boolean> {
    const user = await findUser(database, _id)
    if (!user || user.closing || user.locked || user.waiting) return false
    return (
      user.password_hash === password_hash || passwords.verify(password ?? '', user.password_hash)
    )
  }

  /** Refuses a user who may not sign in. It is called before each session, whatever the proof. */
  function checkEntry(user: UserDocument): void {
    const refusal = refusalOf(user)
    if (refusal) throw new Fault('invalid_credentials', refusal)
  }

  async function strengthen(
    { _id, password_hash: from }: UserDocument,
    password: string,
  ): Promise<void> {
    if (from === undefined || !passwords.outdated(from)) return
    await replacePassword(database, _id, {
      from,
      to: await passwords.hash(password),
    })
  }

  async function resume(session_id: string): Promise<SessionDocument> {
    const session = await findSession(database, session_id, new Date())
    if (!session)
      throw new Fault('unauthenticated', {
        detail: 'The session that this request started has ended',
      })
    return session
  }

  async function start(
    user: UserDocument,
    { device, address, mutation_id, present }: SignInContext,
    identity: CommandIdentity,
    host?: HostSession,
  ): Promise<SessionDocument> {
    checkEntry(user)
    const session = await sessions.open(user._id, { device, address, host })
    const replaces = present?.user_id === user._id ? present.session_id : undefined
    const context = { user_id: user._id, session_id: session._id, device, mutation_id }
    const told = await accountLog.tell(context, identity, { entity_id: session._id }, () => ({
      op: 'session_created',
      entity_id: session._id,
      version: 1,
      data: { session: toSession(session), ...(replaces !== undefined && { replaces }) },
    }))
    if (!told || told.entity_id === session._id) {
      if (present) await endEarlier(context, present)
      await endOldest(context)
      return session
    }
    // the same request was sent twice at once, and the other one was first
    await deleteSession(database, user._id, session._id)
    return resume(told.entity_id)
  }

  async function recognize(host: HostUser): Promise<UserDocument> {
    const user = await accountOfHost(deps, host, admission.ofHost)
    const refusal = refusalOf(user)
    if (refusal) throw new Fault('unauthenticated', refusal)
    return user
  }

  /** What the log last tells of a session. */
  async function lastToldOf(user_id: string, session_id: string): Promise<string | undefined> {
    const context = { user_id, session_id, device: '', mutation_id: newId() }
    let op: string | undefined
    const entity = { entity_id: session_id, needs: { lastEntry: {} } }
    await accountLog.tell(context, ['look'], entity, ({ lastEntry }) => {
      op = lastEntry?.op
      return undefined
    })
    return op
  }

  /** The session that this visitor's same request has started before. */
  async function repeated(
    user: UserDocument,
    { device, mutation_id }: SignInContext,
    identity: CommandIdentity,
  ) {
    const entry = await accountLog.first(
      { user_id: user._id, session_id: null, device, mutation_id },
      identity,
    )
    return entry && resume(entry.entity_id)
  }

  /**
   * A sign-up for a name that exists: either it repeats the sign-up that created the account, or
   * the name is taken.
   */
  async function again(
    present: UserDocument,
    visitor: SignInContext,
    credentials: PasswordCredentials,
    identity: CommandIdentity,
  ): Promise<SignInResult> {
    const session = await repeated(present, visitor, identity).catch(() => undefined)
    if (!session) throw new Fault('username_taken')
    const user = await limits.checkPassword(present.username, visitor.address, () =>
      prove(credentials),
    )
    return signedIn(user, session)
  }

  const signedIn = (user: UserDocument, session: SessionDocument): SignInResult => ({
    user: toUser(user),
    session: toSession(session),
  })

  return {
    async register(visitor, credentials) {
      const { username, password } = credentials
      const identity = ['register', username] as const
      await passwordRules.check(username, password)
      await limits.countSignUp(visitor.address)
      await admission.check(credentials.invitation)
      const present = await findUserByName(database, username)
      if (present) return again(present, visitor, credentials, identity)
      const password_hash = await passwords.hash(password)
      const user = await admission.admit(credentials.invitation, (state) =>
        makeAccount(deps, { username, password_hash, ...state }),
      )
      if (!user) throw new Fault('username_taken')
      await limits.rememberAddress(username, visitor.address)
      if (user.waiting) return { waiting: true }
      return signedIn(user, await start(user, visitor, identity))
    },

    async login(visitor, credentials) {
      const { username, password } = credentials
      const identity = ['login', username] as const
      const user = await limits.checkPassword(username, visitor.address, () => prove(credentials))
      checkEntry(user)
      if (user.second_step) throw await secondStep.demand(user)
      const earlier = await repeated(user, visitor, identity)
      if (earlier) return signedIn(user, earlier)
      const session = await start(user, visitor, identity)
      if (!(await stillRight(user, password))) {
        await deleteSession(database, user._id, session._id)
        throw new Fault('invalid_credentials')
      }
      await strengthen(user, password)
      return signedIn(user, session)
    },

    async startFor(user, visitor, identity) {
      const session = await start(user, visitor, identity)
      if (await stillRight(user)) return signedIn(user, session)
      await deleteSession(database, user._id, session._id)
      throw new Fault('invalid_credentials')
    },

    async enter(visitor, host) {
      const user = await recognize(host)
      const identity = ['enter', host.issuer, host.subject] as const
      const session = await start(user, visitor, identity, host.session)
      const ended = await hasEnded(database, host)
      if (!ended && (await stillRight(user))) return signedIn(user, session)
      await deleteSession(database, user._id, session._id)
      throw new Fault('unauthenticated', {
        detail: ended
          ? 'The sign-in provider has ended this sign-in. Sign in again'
          : 'This account is being deleted',
      })
    },

    recognize: (_visitor, host) => recognize(host),

    async beginOffered(session_id, { user_id, device, address, created_at }) {
      const user = await findUser(database, user_id)
      if (!user || user.closing || refusalOf(user)) return undefined
      // a session that has ended never begins again, however long its cookie is kept
      if ((await lastToldOf(user_id, session_id)) !== undefined) {
        const session = await findSession(database, session_id, new Date())
        return session ? { user, session, began: false } : undefined
      }
      const offered = { id: session_id, created_at: new Date(created_at) }
      const session = await sessions.open(user_id, { device, address, offered })
      const context = { user_id, session_id, device, mutation_id: derivedId('begin', session_id) }
      const told = await accountLog.tell(context, ['begin'], { entity_id: session_id }, () => ({
        op: 'session_created',
        entity_id: session_id,
        version: 1,
        data: { session: toSession(session) },
      }))
      // another request began it first; it may even have ended meanwhile
      const isOver = !told?.changed && (await lastToldOf(user_id, session_id)) !== 'session_created'
      if (!isOver && (await stillRight(user))) {
        await endOldest(context)
        return { user, session, began: told?.changed === true }
      }
      await deleteSession(database, user_id, session_id)
      return undefined
    },
  }
}

/** Why a user may not sign in although the proof was right. */
export function refusalOf({ locked, waiting }: UserDocument): FaultExtra | undefined {
  if (locked)
    return {
      reason: 'locked',
      detail: 'This account is locked. Ask whoever runs this server',
    }
  if (waiting)
    return {
      reason: 'awaiting_approval',
      detail: 'This account waits until whoever runs this server has approved it',
    }
  return undefined
}
