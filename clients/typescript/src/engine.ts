// The client engine: one user's state on this device, kept in lockstep with the server. Usable without a framework, in browsers and
// in Node. Nothing of the user's outlives it: state and outbox are in memory only.
import type { Session, User } from '@lockstep/protocol/account'
import { errors } from '@lockstep/protocol/error-codes'
import { Fault, toProblem } from '@lockstep/protocol/errors'
import type { Problem } from '@lockstep/protocol/problem'
import type { Topic as TopicName } from '@lockstep/protocol/topics'
import { AccountClient } from './account-client.ts'
import { AgentsClient } from './agents-client.ts'
import { ConnectionManager, type ConnectionState } from './connection-manager.ts'
import { ConversationsClient } from './conversations-client.ts'
import { createCall, type Call } from './rest/call.ts'
import { Notifier } from './notifier.ts'
import { systemClock, type Clock, type Connect } from './platform.ts'
import { PreferencesClient } from './preferences-client.ts'
import { Lifetime } from './lifetime.ts'
import { connectBySocketIo } from './socket-io.ts'
import type { EngineSession } from './topic-replica.ts'
import type {
  AccountTopic,
  AgentsTopic,
  ConversationsTopic,
  OutboxItem,
  PreferencesTopic,
} from './views.ts'

export interface EngineOptions {
  /** The server, `https://host[:port]`; '' in a page that the server itself delivers. */
  origin: string
  fetch?: typeof fetch
  /** Makes a namespace's socket; default: socket.io-client, all namespaces over one WebSocket. */
  connect?: Connect
  /** Sent with each HTTP request and, in Node, with the WebSocket's: the session cookie. */
  headers?: () => Record<string, string>
  /** What to follow; default: everything. `account` is always followed. */
  topics?: readonly TopicName[]
  clock?: Clock
  /** 0 ≤ x < 1; jitter. */
  random?: () => number
  /** Milliseconds since the epoch. */
  now?: () => number
}

/**
 * `starting`: asking the server who is signed in, as long as it takes. `signed-out`: nobody, or not any more; state and outbox are gone, sign
 * in (`call`) and `start` again. `stopped`: not started, stopped, or refused for good (`problem`: `protocol_unsupported` means a
 * reload of the page is due).
 */
export type EngineState =
  | { readonly name: 'starting' }
  | { readonly name: 'ready'; readonly user: User; readonly session: Session }
  | { readonly name: 'signed-out' }
  | { readonly name: 'stopped'; readonly problem?: Problem }

export interface Engine {
  /** Asks who is signed in, loads and goes live. Resolves when it is `ready`, `signed-out` or `stopped`; topics load behind it. */
  start(): Promise<EngineState>
  /** Ends sockets, timers and requests. Unsent commands are dropped (see `unsent`). */
  stop(): Promise<void>
  readonly state: EngineState
  readonly connection: ConnectionState
  /** Commands that the server has not confirmed and that closing now would lose; failed ones count. */
  readonly unsent: number
  /** Of all topics, in the order of issue. */
  readonly outbox: readonly OutboxItem[]
  readonly conversations: ConversationsTopic
  readonly preferences: PreferencesTopic
  readonly account: AccountTopic
  readonly agents: AgentsTopic
  /** Any route of the REST API, typed. Throws Fault; `unauthenticated` also signs the engine out. */
  readonly call: Call
  /** Called after `state`, `connection`, `unsent` or `outbox` changed (topics have their own). Returns the unsubscriber. */
  subscribe(listener: () => void): () => void
  /** The tab is looked at again or the network is back: reconnect at once, or check that nothing was missed. Cheap. */
  nudge(): void
}

/** An engine, not yet started. */
export function createEngine(options: EngineOptions): Engine {
  return new LocalEngine(options)
}

type Followed = ConversationsClient | PreferencesClient | AgentsClient | AccountClient

class LocalEngine implements Engine {
  readonly conversations: ConversationsClient
  readonly preferences: PreferencesClient
  readonly account: AccountClient
  readonly agents: AgentsClient
  readonly call: Call
  readonly #options: EngineOptions
  readonly #notifier = new Notifier()
  readonly #followed: readonly Followed[]
  #state: EngineState = { name: 'stopped' }
  #scope: Lifetime | undefined
  #connection: ConnectionManager | undefined
  #starting: Promise<EngineState> | undefined
  #retryNow = () => {}
  #waiting = false

  constructor(options: EngineOptions) {
    this.#options = options
    this.call = this.#createCall(options)
    const onChange = () => this.#notifier.changed()
    // What the topics ask for ends with the run; what a page asks for doesn't: signing out is such a request.
    const call: Call = (route, ask, options) =>
      this.call(route, ask, { signal: this.#scope?.signal, ...options })
    this.conversations = new ConversationsClient(call, onChange)
    this.preferences = new PreferencesClient(call, onChange)
    this.agents = new AgentsClient(call, onChange)
    this.account = new AccountClient({
      call,
      onChange,
      onExpelled: () => this.#end({ name: 'signed-out' }),
    })
    const { topics = ['conversations', 'preferences', 'agents'] } = options
    const optional = (['conversations', 'preferences', 'agents'] as const).filter((name) =>
      topics.includes(name),
    )
    this.#followed = [...optional.map((name) => this[name]), this.account]
  }

  get state(): EngineState {
    return this.#state
  }

  get connection(): ConnectionState {
    return (
      this.#connection?.state(this.#followed.length) ?? (this.#waiting ? 'offline' : 'connecting')
    )
  }

  get unsent(): number {
    return this.#followed.reduce((sum, { unsent }) => sum + unsent, 0)
  }

  get outbox(): readonly OutboxItem[] {
    const items = this.#followed.flatMap(({ outbox }) => outbox)
    return items.sort((a, b) => (a.at === b.at ? 0 : a.at < b.at ? -1 : 1))
  }

  subscribe(listener: () => void): () => void {
    return this.#notifier.subscribe(listener)
  }

  start(): Promise<EngineState> {
    if (this.#state.name === 'ready') return Promise.resolve(this.#state)
    this.#starting ??= this.#start().finally(() => (this.#starting = undefined))
    return this.#starting
  }

  stop(): Promise<void> {
    this.#end({ name: 'stopped' })
    return Promise.resolve()
  }

  nudge(): void {
    this.#retryNow()
    this.#connection?.nudge()
    for (const topic of this.#followed) topic.check()
  }

  async #start(): Promise<EngineState> {
    const { clock = systemClock, random = Math.random, now = Date.now } = this.#options
    const scope = new Lifetime(clock, random, now)
    this.#scope = scope
    this.#set({ name: 'starting' })
    for (let attempt = 0; !scope.ended; attempt++) {
      try {
        const { user, session } = await this.call('getMe', {}, { signal: scope.signal })
        if (!scope.ended) this.#begin(scope, user, session)
        break
      } catch (error) {
        if (!(error instanceof Fault)) throw error
        if (scope.ended) break
        if (errors[error.code].closes) {
          this.#refused(error)
          break
        }
        await this.#waitToAskAgain(scope, attempt, error.extra.retry_after_ms)
      }
    }
    return this.#state
  }

  async #waitToAskAgain(scope: Lifetime, attempt: number, floor = 0): Promise<void> {
    this.#waiting = true
    this.#notifier.changed()
    await Promise.race([
      scope.sleep(scope.delay(attempt, floor)),
      new Promise<void>((resolve) => (this.#retryNow = resolve)),
    ])
    this.#waiting = false
    this.#notifier.changed()
  }

  #begin(scope: Lifetime, user: User, session: Session): void {
    const { connect, origin, headers } = this.#options
    const refused = (fault: Fault) => this.#refused(fault)
    const connection = new ConnectionManager(connect ?? connectBySocketIo(origin, headers), scope, {
      changed: () => this.#notifier.changed(),
      refused,
    })
    this.#connection = connection
    this.#set({ name: 'ready', user, session })
    const run: EngineSession = {
      user_id: user.id,
      session_id: session.id,
      scope,
      connection,
      refused,
    }
    for (const topic of this.#followed) {
      if (topic instanceof AccountClient) topic.signedIn({ user, session }, run)
      else topic.begin(run)
    }
  }

  #refused(fault: Fault): void {
    if (fault.code === 'unauthenticated') this.#end({ name: 'signed-out' })
    else this.#end({ name: 'stopped', problem: toProblem(fault) })
  }

  #end(state: EngineState): void {
    this.#scope?.end()
    this.#scope = undefined
    this.#connection?.close()
    this.#connection = undefined
    for (const topic of this.#followed) topic.end()
    this.#set(state)
  }

  #set(state: EngineState): void {
    this.#state = state
    this.#notifier.changed()
  }

  #createCall({ origin, headers = () => ({}), fetch: ask = fetch }: EngineOptions): Call {
    const call = createCall({
      origin,
      headers,
      // Not a method call: a browser's fetch insists on its own `this`.
      fetch: (...args) => ask(...args),
      userId: () => (this.#state.name === 'ready' ? this.#state.user.id : undefined),
    })
    return async (...asked) => {
      const scope = this.#scope
      try {
        return await call(...asked)
      } catch (error) {
        const isSignOut =
          error instanceof Fault && error.code === 'unauthenticated' && this.#state.name === 'ready'
        if (isSignOut && this.#scope === scope) this.#end({ name: 'signed-out' })
        throw error
      }
    }
  }
}
