// Topic `account`: the username, the signed-in devices, and what they are viewing. When this
// device's session or the account ends, the engine session ends too.
import type {
  AccountCommands,
  ListedSession,
  Session,
  User,
  Viewing,
} from '@lockstep/protocol/account'
import type { DraftNotice } from '@lockstep/protocol/drafts'
import type { WireChange } from '@lockstep/protocol/change'
import { isKnown, isKnownOf } from '@lockstep/protocol/known-change'
import { reduceAccount, type HeldAccount } from '@lockstep/protocol/reduce/account'
import type { Presence } from '@lockstep/protocol/sync'
import { Memo } from './memo.ts'
import { createCommand, type CommandTable } from './outgoing-command.ts'
import { getMe, listSessions } from './rest/account.ts'
import type { Call } from './rest/call.ts'
import { TopicClient } from './topic-client.ts'
import { singleEntity, type TopicModel } from './topic-model.ts'
import { TopicReplica } from './topic-replica.ts'
import type { AccountTopic, IssuedCommand } from './views.ts'

/** The only entity. */
const KEY = 'account'

export interface AccountClientDeps {
  call: Call
  changed: () => void
  /** This device is signed out: its session was revoked, or the account was closed. */
  expelled: () => void
  /** The topic's connection is live; drafts come over it too. */
  live: () => void
  draft: (notice: DraftNotice) => void
}

export interface SignedInUser {
  user: User
  session: Session
}

export class AccountClient
  extends TopicClient<HeldAccount, AccountCommands>
  implements AccountTopic
{
  protected readonly topic: TopicReplica<HeldAccount>
  protected readonly commands = commands
  #signedIn: SignedInUser | undefined
  #presence: ReadonlyMap<string, Presence> = new Map()
  #viewing: string | null | undefined
  #newSignIns: readonly Session[] = []
  readonly #user = new Memo<User>()
  readonly #sessions = new Memo<readonly ListedSession[]>()

  constructor({ call, changed, expelled, live, draft }: AccountClientDeps) {
    super()
    const model = accountModel(call, (session) => this.#renewed(session))
    this.topic = new TopicReplica(model, {
      changed,
      presence: (presence) => this.#updatePresence(presence),
      draft,
      live: () => {
        if (this.#viewing !== undefined) this.#sendViewing()
        live()
      },
      down: () => this.#setPresence(new Map()),
      applied: (change) => {
        this.#noteSession(change)
        if (this.#isExpulsion(change)) expelled()
      },
    })
  }

  /** Who it is, before `begin`. */
  signedIn(signedIn: SignedInUser): void {
    this.#signedIn = signedIn
  }

  override end(): void {
    this.#signedIn = undefined
    this.#viewing = undefined
    this.#presence = new Map()
    this.#newSignIns = []
    super.end()
  }

  get user(): User | undefined {
    const user = this.#signedIn?.user
    const held = this.topic.view(KEY)
    if (!user || !held || held.username === user.username) return user
    const { username } = held
    return this.#user.get([user, username], () => ({ ...user, username }))
  }
  get session(): Session | undefined {
    return this.#signedIn?.session
  }
  get newSignIns(): readonly Session[] {
    return this.#newSignIns
  }
  get securityVersion(): number {
    return this.topic.view(KEY)?.security_version ?? 0
  }
  get presence(): ReadonlyMap<string, Presence> {
    return this.#presence
  }

  get sessions(): readonly ListedSession[] {
    const [held, presence, current] = [this.topic.view(KEY), this.#presence, this.session]
    return this.#sessions.get([held, presence, current], () =>
      listed(held?.sessions ?? [], presence, current),
    )
  }

  revoke(session_id: string): IssuedCommand {
    return this.issue('revoke', { session_id }, session_id)
  }

  viewing(conversation_id: string | null): void {
    this.#viewing = conversation_id
    this.#sendViewing()
  }

  #sendViewing(): void {
    const payload: Viewing = { conversation_id: this.#viewing ?? null }
    this.topic.sendUnlogged('viewing', payload)
  }

  /** A change of the password gives this browser's session a new id, and so does a new sign-in. */
  #noteSession(change: WireChange): void {
    if (!isKnownOf('account', change) || !change.data) return
    if (change.op === 'session_revoked') {
      const { session_id } = change.data
      this.#newSignIns = this.#newSignIns.filter(({ id }) => id !== session_id)
    }
    if (change.op !== 'session_created') return
    const { session, replaces } = change.data
    const own = this.#signedIn?.session.id
    if (replaces !== undefined && replaces === own) this.#renewed(session)
    else if (replaces === undefined && session.id !== own)
      this.#newSignIns = [session, ...this.#newSignIns]
  }

  #renewed(session: Session): void {
    if (this.#signedIn) this.#signedIn = { ...this.#signedIn, session }
  }

  #isExpulsion(change: WireChange): boolean {
    if (change.op === 'closed') return true
    if (!isKnownOf('account', change) || change.op !== 'session_revoked') return false
    return change.data?.session_id === this.#signedIn?.session.id
  }

  #updatePresence(presence: Presence): void {
    const others = new Map(this.#presence)
    if (presence.online) others.set(presence.connection_id, presence)
    else others.delete(presence.connection_id)
    this.#setPresence(others)
  }

  #setPresence(presence: ReadonlyMap<string, Presence>): void {
    this.#presence = presence
    this.topic.notify()
  }
}

const commands: CommandTable<HeldAccount, AccountCommands> = {
  revoke: (payload) =>
    createCommand<HeldAccount>({
      name: 'revoke',
      payload,
      entity_id: KEY,
      predict: (held) =>
        held && { ...held, sessions: held.sessions.filter(({ id }) => id !== payload.session_id) },
    }),
}

/** The sessions as they are shown, newest first. */
function listed(
  sessions: readonly (Session & Partial<ListedSession>)[],
  presence: ReadonlyMap<string, Presence>,
  current: Session | undefined,
): readonly ListedSession[] {
  const online = new Set(Array.from(presence.values(), ({ session_id }) => session_id))
  return sessions
    .map((session) => ({
      ...session,
      last_seen_at: session.last_seen_at ?? session.created_at,
      current: session.id === current?.id,
      online: online.has(session.id) || session.id === current?.id,
    }))
    .sort((a, b) => (a.created_at < b.created_at ? 1 : -1))
}

function accountModel(call: Call, onSession: (session: Session) => void): TopicModel<HeldAccount> {
  // The cursor comes from the first response. A change that only the second response contains comes
  // again with the log, which does no harm.
  const read = async () => {
    const { user, session, epoch, seq } = await getMe(call)
    if (session) onSession(session) // a token has no session
    const { items } = await listSessions(call)
    return { state: { username: user.username, sessions: items, closed: false }, epoch, seq }
  }
  return {
    topic: 'account',
    ...singleEntity(KEY, read),
    // Applying these changes twice changes nothing, so they need no versions.
    actionFor: (_held, change) =>
      change.stripped || !change.data || !isKnown(change) ? 'load' : 'apply',
    reduce: (held, change) => (held ? reduceAccount(held, change) : held),
    versionOf: () => Infinity,
  }
}
