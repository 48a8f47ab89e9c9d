// The topic `account`: the name, the signed-in devices, and where they look. Its end is the end of the run.
import type {
  AccountChanges,
  AccountCommands,
  ListedSession,
  Session,
  User,
  Viewing,
} from '@lockstep/protocol/account'
import type { WireChange } from '@lockstep/protocol/change'
import { reduceAccount, type HeldAccount } from '@lockstep/protocol/reduce/account'
import { isKnown } from '@lockstep/protocol/known-change'
import type { Presence } from '@lockstep/protocol/sync'
import { getMe, listSessions } from './rest/account.ts'
import type { Call } from './rest/call.ts'
import type { TopicModel } from './topic-model.ts'
import { TopicClient } from './topic-client.ts'
import { TopicReplica, type EngineSession } from './topic-replica.ts'
import type { AccountTopic, IssuedCommand } from './views.ts'

/** The only entity. */
const KEY = 'account'

export interface AccountClientDeps {
  call: Call
  onChange: () => void
  /** This device may not go on: its session was revoked, or the account is closed. */
  onExpelled: () => void
}

export interface SignedIn {
  user: User
  session: Session
}

export class AccountClient extends TopicClient<HeldAccount> implements AccountTopic {
  protected readonly topic: TopicReplica<HeldAccount>
  #signedIn: SignedIn | undefined
  #presence: ReadonlyMap<string, Presence> = new Map()
  #viewing: string | null | undefined

  constructor({ call, onChange, onExpelled }: AccountClientDeps) {
    super()
    const isExpulsion = ({ op, data }: WireChange) =>
      op === 'closed' ||
      (op === 'session_revoked' &&
        (data as AccountChanges['session_revoked'] | undefined)?.session_id ===
          this.#signedIn?.session.id)
    this.topic = new TopicReplica(
      accountModel(call),
      {
        presence: (presence) => this.#present(presence),
        live: () => this.#viewing !== undefined && this.#tellViewing(),
        down: () => this.#setPresence(new Map()),
        applied: (change) => isExpulsion(change) && onExpelled(),
      },
      onChange,
    )
  }

  signedIn(signedIn: SignedIn, run: EngineSession): void {
    this.#signedIn = signedIn
    this.begin(run)
  }

  override end(): void {
    this.#signedIn = undefined
    this.#viewing = undefined
    this.#presence = new Map()
    super.end()
  }

  get user(): User | undefined {
    const user = this.#signedIn?.user
    const held = this.topic.view(KEY)
    return user && held && held.username !== user.username
      ? { ...user, username: held.username }
      : user
  }
  get session(): Session | undefined {
    return this.#signedIn?.session
  }
  get presence(): ReadonlyMap<string, Presence> {
    return this.#presence
  }

  get sessions(): readonly ListedSession[] {
    const sessions: readonly (Session & Partial<ListedSession>)[] =
      this.topic.view(KEY)?.sessions ?? []
    const online = new Set(Array.from(this.#presence.values(), ({ session_id }) => session_id))
    return sessions
      .map((session) => ({
        ...session,
        last_seen_at: session.last_seen_at ?? session.created_at,
        current: session.id === this.session?.id,
        online: online.has(session.id) || session.id === this.session?.id,
      }))
      .sort((a, b) => (a.created_at < b.created_at ? 1 : -1))
  }

  revoke(session_id: string): IssuedCommand {
    const payload: AccountCommands['revoke'] = { session_id }
    return this.topic.send({ name: 'revoke', payload, entity_id: KEY, message_ids: [] }, session_id)
  }

  viewing(conversation_id: string | null): void {
    this.#viewing = conversation_id
    this.#tellViewing()
  }

  #tellViewing(): void {
    this.topic.tell('viewing', {
      conversation_id: this.#viewing ?? null,
    } satisfies Viewing)
  }

  #present(presence: Presence): void {
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

function accountModel(call: Call): TopicModel<HeldAccount> {
  // The cursor is of the first answer: what the second one knows beyond it comes again by the log, which does no harm.
  const read = async () => {
    const { user, epoch, seq } = await getMe(call)
    const { items } = await listSessions(call)
    return { held: { username: user.username, sessions: items, closed: false }, epoch, seq }
  }
  return {
    topic: 'account',
    async loadAll(put) {
      const { held, epoch, seq } = await read()
      put(KEY, held)
      return { epoch, seq }
    },
    loadOne: read,
    keyOf: () => KEY,
    // Repeating these changes changes nothing, so they need no versions.
    actionFor: (_held, change) =>
      change.stripped || !change.data || !isKnown(change) ? 'load' : 'apply',
    reduce: (held, change) => (held ? reduceAccount(held, change) : held),
    versionOf: () => Infinity,
    tombstone: () => undefined,
    predict(held, { name, payload }) {
      if (name !== 'revoke' || !held) return held
      const { session_id } = payload as AccountCommands['revoke']
      return { ...held, sessions: held.sessions.filter(({ id }) => id !== session_id) }
    },
    showsWhenFailed: () => false,
    withoutVersionCheck: (command) => command,
  }
}
