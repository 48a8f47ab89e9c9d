// The client engine: one user's state on this device, kept in lockstep with the server. It needs no
// framework and runs in browsers and in Node. State and outbox live in memory only, so that nothing
// of the user's is left when the engine ends, unless a program gives it a `store` for the outbox.
//
//   stopped --start--> starting --somebody is signed in--> ready
//      ^                   |                                 |
//      |                   +--nobody is--> signed-out <------+ session ended
//      +--stop, or the server refuses for good: from every state
import type { Session, User } from '@lockstep/protocol/account'
import { errors } from '@lockstep/protocol/error-codes'
import { Fault, toProblem } from '@lockstep/protocol/errors'
import type { Problem } from '@lockstep/protocol/problem'
import type { UsedToken } from '@lockstep/protocol/tokens'
import type { Topic } from '@lockstep/protocol/topics'
import { AccountClient } from './account-client.ts'
import { AgentsClient } from './agents-client.ts'
import type { CommandKeeper, Store } from './command-keeper.ts'
import { ConnectionManager, type ConnectionState } from './connection-manager.ts'
import { ConversationsClient } from './conversations-client.ts'
import { DraftsClient } from './drafts-client.ts'
import type { CreateEncryption } from './encryption-hooks.ts'
import { lateCode } from './late-code.ts'
import { Lifetime } from './lifetime.ts'
import { Memo } from './memo.ts'
import { Notifier } from './notifier.ts'
import {
  baseOf,
  systemClock,
  type Clock,
  type Connect,
  type Credentials,
  type CredentialsMode,
  type ServerAddress,
} from './platform.ts'
import { PreferencesClient } from './preferences-client.ts'
import { RecordsClient } from './records-client.ts'
import type { RecordsTopic } from './record-views.ts'
import { createCall, type Call } from './rest/call.ts'
import { connectBySocketIo } from './socket-io.ts'
import type { EngineSession } from './topic-replica.ts'
import type {
  AccountTopic,
  AgentsTopic,
  ConversationsTopic,
  DraftsFollower,
  OutboxItem,
  PreferencesTopic,
} from './views.ts'

export interface EngineOptions extends Credentials, ServerAddress {
  fetch?: typeof fetch
  /** Makes a namespace's socket. Default: socket.io-client, all namespaces over one WebSocket. */
  connect?: Connect
  /** Whether requests to another origin send its cookies. Default: `same-origin`. */
  credentials?: CredentialsMode
  /** The topics to follow. Default: all. `account` is always followed. */
  topics?: readonly Topic[]
  /** The kinds of records to follow. Default: none. */
  records?: readonly string[]
  clock?: Clock
  /** A random number, 0 ≤ x < 1, for the delays before reconnects. */
  random?: () => number
  /** Milliseconds since the Unix epoch. */
  now?: () => number
  /** Conversations whose keys only their clients have: `passphraseEncryption`. Default: none. */
  encryption?: CreateEncryption
  /** Keeps the commands that the server has not confirmed. Default: they are in memory only. */
  store?: Store
}

/**
 * `starting`: the engine asks the server who is signed in, as long as it takes; `problem` says why
 * the last attempt failed. `signed-out`: nobody is, or not any more. State and outbox are gone;
 * sign in with `call` and `start` again. `stopped`: not started, stopped, or refused by the server
 * for good. Then `problem` says why; `protocol_unsupported` means that the page has to be reloaded.
 */
export type EngineState =
  | { readonly name: 'starting'; readonly problem?: Problem }
  | { readonly name: 'ready'; readonly user: User; readonly session: Session }
  | { readonly name: 'signed-out' }
  | { readonly name: 'stopped'; readonly problem?: Problem }

export interface Engine {
  /**
   * Asks the server who is signed in, loads the topics and goes live. Resolves as soon as the state
   * is `ready`, `signed-out` or `stopped`; the topics load afterwards. After a `stop`, it starts
   * anew, even if an earlier start was still under way.
   */
  start(): Promise<EngineState>
  /** Ends sockets, timers and requests. Unsent commands are dropped (see `unsent`). */
  stop(): Promise<void>
  readonly state: EngineState
  readonly connection: ConnectionState
  /** How many commands would be lost if the engine stopped now. Failed ones count. */
  readonly unsent: number
  /** The pending commands of all topics, in the order in which they were issued. */
  readonly outbox: readonly OutboxItem[]
  readonly conversations: ConversationsTopic
  readonly preferences: PreferencesTopic
  readonly account: AccountTopic
  readonly agents: AgentsTopic
  /** Those of the kinds in the option `records`. */
  readonly records: RecordsTopic
  /** They are read once somebody subscribes. */
  readonly drafts: DraftsFollower
  /**
   * Requests any route of the REST API. Throws Fault; `unauthenticated` also signs the engine out.
   */
  readonly call: Call
  /**
   * Calls `listener` after `state`, `connection`, `unsent` or `outbox` has changed. Each topic has
   * a `subscribe` of its own. Returns the function that ends this. It can be passed on without the
   * engine.
   */
  readonly subscribe: (listener: () => void) => () => void
  /**
   * For when the user returns to the tab or the network is back: reconnects at once, or checks that
   * no change was missed. Cheap.
   */
  nudge(): void
}

/** An engine that isn't started yet. */
export function createEngine(options: EngineOptions): Engine {
  return new LocalEngine(options)
}

type FollowedTopic =
  ConversationsClient | PreferencesClient | AgentsClient | RecordsClient | AccountClient

class LocalEngine implements Engine {
  readonly conversations: ConversationsClient
  readonly preferences: PreferencesClient
  readonly account: AccountClient
  readonly agents: AgentsClient
  readonly records: RecordsClient
  readonly drafts: DraftsClient
  readonly call: Call
  readonly #options: EngineOptions
  /** For the engine's own requests, which end with the session. */
  readonly #ownCall: Call
  readonly #notifier = new Notifier()
  readonly #topics: readonly FollowedTopic[]
  readonly #outbox = new Memo<readonly OutboxItem[]>()
  #state: EngineState = { name: 'stopped' }
  #lifetime: Lifetime | undefined
  #connections: ConnectionManager | undefined
  #keeper: CommandKeeper | undefined
  #starting: Promise<EngineState> = Promise.resolve(this.#state)
  #retryNow = () => {}
  #isWaiting = false

  constructor(options: EngineOptions) {
    this.#options = options
    this.call = this.#createCall(options)
    const changed = () => this.#notifier.changed()
    if (options.store) this.subscribe(() => this.#keep())
    // The topics' own requests end with the session. Those of the page don't: signing out is one.
    const call: Call = (route, asking, options) =>
      this.call(route, asking, { signal: this.#lifetime?.signal, ...options })
    this.#ownCall = call
    const { now = Date.now, encryption } = options
    this.conversations = new ConversationsClient(call, changed, now, encryption)
    this.preferences = new PreferencesClient(call, changed)
    this.agents = new AgentsClient(call, changed)
    this.records = new RecordsClient(call, changed, options.records ?? [])
    this.drafts = new DraftsClient(call, this.conversations.hooks?.drafts)
    this.account = new AccountClient({
      call,
      changed,
      expelled: () => this.#end({ name: 'signed-out' }),
      live: () => this.drafts.live(),
      draft: (notice) => this.drafts.onNotice(notice),
    })
    const { topics, records: kinds = [] } = options
    const all = ['conversations', 'preferences', 'agents', 'records'] as const
    const followed = all.filter(
      (name) => (topics?.includes(name) ?? true) && (name !== 'records' || kinds.length > 0),
    )
    this.#topics = [...followed.map((name) => this[name]), this.account]
  }

  get state(): EngineState {
    return this.#state
  }

  get connection(): ConnectionState {
    const connections = this.#connections
    if (connections) return connections.state(this.#topics.length)
    return this.#isWaiting ? 'offline' : 'connecting'
  }

  get unsent(): number {
    return this.#topics.reduce((sum, { unsent }) => sum + unsent, 0)
  }

  get outbox(): readonly OutboxItem[] {
    const outboxes = this.#topics.map(({ outbox }) => outbox)
    return this.#outbox.get(outboxes, () =>
      outboxes.flat().sort((a, b) => (a.at === b.at ? 0 : a.at < b.at ? -1 : 1)),
    )
  }

  readonly subscribe = (listener: () => void): (() => void) => this.#notifier.subscribe(listener)

  start(): Promise<EngineState> {
    if (this.#state.name === 'ready') return Promise.resolve(this.#state)
    if (this.#state.name !== 'starting') this.#starting = this.#start()
    return this.#starting
  }

  async stop(): Promise<void> {
    const keeper = this.#keeper
    this.#end({ name: 'stopped' })
    await keeper?.written
  }

  nudge(): void {
    this.#retryNow()
    this.#connections?.nudge()
    for (const topic of this.#topics) topic.check()
  }

  async #start(): Promise<EngineState> {
    const { clock = systemClock, random = Math.random, now = Date.now } = this.#options
    const lifetime = new Lifetime(clock, random, now)
    this.#lifetime = lifetime
    this.#setState({ name: 'starting' })
    for (let attempt = 0; !lifetime.ended; attempt++) {
      try {
        const me = this.call('getMe', {}, { signal: lifetime.signal })
        const { user, session, token } = await lifetime.race(me)
        const kept = await lifetime.race(this.#readStore(user))
        if (lifetime.ended) break
        this.#begin(lifetime, user, session ?? sessionOf(token!, user))
        if (kept) this.#takeOver(kept)
        return this.#state
      } catch (error) {
        if (!(error instanceof Fault)) throw error
        if (lifetime.ended) break
        if (errors[error.code].closes) {
          this.#rejected(error)
          return this.#state
        }
        this.#setState({ name: 'starting', problem: toProblem(error) })
        await this.#waitForRetry(lifetime, attempt, error.extra.retry_after_ms)
      }
    }
    return { name: 'stopped' }
  }

  async #waitForRetry(lifetime: Lifetime, attempt: number, floor = 0): Promise<void> {
    this.#isWaiting = true
    this.#notifier.changed()
    await Promise.race([
      lifetime.sleep(lifetime.delay(attempt, floor)),
      new Promise<void>((resolve) => (this.#retryNow = resolve)),
    ])
    this.#isWaiting = false
    this.#notifier.changed()
  }

  #begin(lifetime: Lifetime, user: User, session: Session): void {
    const { connect = connectBySocketIo(baseOf(this.#options), this.#options) } = this.#options
    const rejected = (fault: Fault) => this.#rejected(fault)
    const changed = () => this.#notifier.changed()
    const connections = new ConnectionManager(connect, lifetime, {
      call: this.#ownCall,
      changed,
      rejected,
    })
    this.#connections = connections
    this.#setState({ name: 'ready', user, session })
    const engineSession: EngineSession = { user_id: user.id, lifetime, connections, rejected }
    this.drafts.begin(lifetime)
    this.account.signedIn({ user, session })
    for (const topic of this.#topics) topic.begin(engineSession)
  }

  /** The server has refused this device for good. */
  #rejected(fault: Fault): void {
    if (fault.code === 'unauthenticated') this.#end({ name: 'signed-out' })
    else this.#end({ name: 'stopped', problem: toProblem(fault) })
  }

  async #readStore({ id }: User): Promise<CommandKeeper | undefined> {
    const { store } = this.#options
    if (!store) return undefined
    const { openKeeper } = await lateCode(import('./command-keeper.ts'))
    return openKeeper(store, id)
  }

  #takeOver(keeper: CommandKeeper): void {
    for (const topic of this.#topics) topic.takeOver(keeper.found)
    this.#keeper = keeper
    this.#keep()
  }

  #keep(): void {
    this.#keeper?.keep(this.#topics.flatMap((topic) => topic.unconfirmed))
  }

  #end(state: EngineState): void {
    if (state.name === 'signed-out') this.#keeper?.keep([])
    else this.#keep()
    this.#keeper = undefined
    this.#lifetime?.end()
    this.#lifetime = undefined
    this.#connections?.close()
    this.#connections = undefined
    for (const topic of this.#topics) topic.end()
    this.drafts.end()
    this.#setState(state)
  }

  #setState(state: EngineState): void {
    this.#state = state
    this.#notifier.changed()
  }

  #createCall(options: EngineOptions): Call {
    const userId = () => (this.#state.name === 'ready' ? this.#state.user.id : undefined)
    const call = createCall({ ...options, userId })
    return async (...args) => {
      const lifetime = this.#lifetime
      try {
        return await call(...args)
      } catch (error) {
        const isSignedOut = error instanceof Fault && error.code === 'unauthenticated'
        if (isSignedOut && this.#state.name === 'ready' && this.#lifetime === lifetime)
          this.#end({ name: 'signed-out' })
        throw error
      }
    }
  }
}

/** A program with a token has no session. Its devices are known by the token. */
const sessionOf = (token: UsedToken, user: User): Session => ({
  id: token.id,
  device: token.name,
  created_at: user.created_at,
})
