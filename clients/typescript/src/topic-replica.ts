// One topic on this device: the confirmed state that follows the log, the outbox, and what both
// together look like. The replica outlives sign-outs; `begin` makes new parts for each engine
// session.
//
//   begin --> loading over HTTP --> loaded, connection joining --first sync--> live
//                    ^                                 ^                         |
//                    |                                 +-----connection ends-----+
//                    +--other epoch, or the log can't be followed (see LogFollower)
//   end: from every state; nothing of the user is left
//
//   a change of the log --> LogFollower --> Entities --> Outbox.confirm --> views
//   a command of the page --> Outbox --> views (predicted) --> connection
import type { WireChange } from '@lockstep/protocol/change'
import type { Cursor } from '@lockstep/protocol/cursor'
import { errors } from '@lockstep/protocol/error-codes'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { RangeAnswer } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'
import { PROTOCOL } from '@lockstep/protocol/version'
import type { KeptCommand } from './command-keeper.ts'
import type { ConnectionManager } from './connection-manager.ts'
import { createDeferred, type Deferred } from './deferred.ts'
import { Entities } from './entities.ts'
import type { Lifetime } from './lifetime.ts'
import { LogFollower } from './log-follower.ts'
import { Memo } from './memo.ts'
import { Notifier } from './notifier.ts'
import { outboxItems } from './outbox-item.ts'
import { Outbox, type PendingCommand } from './outbox.ts'
import type { OutgoingCommand } from './outgoing-command.ts'
import { faultFromProblem } from './rest/call.ts'
import type { TopicConnection, TopicConnectionListener } from './topic-connection.ts'
import type { TopicModel } from './topic-model.ts'
import type { IssuedCommand, OutboxItem } from './views.ts'

/** The time in which the engine is signed in, from `ready` to the stop or the sign-out. */
export interface EngineSession {
  readonly user_id: string
  readonly lifetime: Lifetime
  readonly connections: ConnectionManager
  /** The server has refused this device for good. */
  rejected(fault: Fault): void
}

/** What a topic adds to its replica: its own events, and its own views. */
export interface TopicReplicaDeps {
  /** Something of the topic has changed. Called each time, at once. */
  changed(): void
  /** What is shown of this entity may have changed. */
  invalidate?(key: string): void
  /** A change was applied. */
  applied?(change: WireChange): void
  delta?: TopicConnectionListener['on']['delta']
  presence?: TopicConnectionListener['on']['presence']
  draft?: TopicConnectionListener['on']['draft']
  live?(): void
  down?(): void
}

/** Everything that belongs to one engine session. */
interface SessionParts<State extends object> {
  session: EngineSession
  follower: LogFollower
  entities: Entities<State>
  outbox: Outbox<State>
  firstLoad: Deferred<void>
  connection?: TopicConnection
}

/**
 * How long after a command's ack its change may take to arrive by itself. Afterwards it is
 * requested; milliseconds.
 */
const CHANGE_AFTER_ACK = 2_000

export class TopicReplica<State extends object> {
  readonly #model: TopicModel<State>
  readonly #deps: TopicReplicaDeps
  readonly #notifier: Notifier
  readonly #views = new Map<string, State | undefined>()
  #parts: SessionParts<State> | undefined
  readonly #outbox = new Memo<readonly OutboxItem[]>()

  constructor(model: TopicModel<State>, deps: TopicReplicaDeps) {
    this.#model = model
    this.#deps = deps
    this.#notifier = new Notifier(() => deps.changed())
  }

  begin(session: EngineSession): void {
    const { lifetime } = session
    const changed = (key: string) => this.#changed(key)
    const connected = () => this.#parts?.connection?.status === 'live'
    const request = (name: string, payload: object) =>
      this.#parts!.connection!.request(name, payload)
    const outbox = new Outbox<State>(
      {
        request,
        connected,
        changed,
        acked: ({ seq = 0 }) => {
          this.#removeApplied()
          lifetime.after(CHANGE_AFTER_ACK, () => follower.expect(seq))
        },
        rejected: (fault) => session.rejected(fault),
      },
      lifetime,
    )
    const isOtherLog = (epoch: string | undefined) => {
      const isOther =
        epoch !== undefined && follower.cursor !== undefined && epoch !== follower.cursor.epoch
      if (isOther) void follower.reload()
      return isOther
    }
    const entities = new Entities(this.#model, { changed, isOtherLog }, lifetime)
    const follower = new LogFollower(
      {
        connected,
        load: () => this.#load(),
        apply: (changes) => this.#apply(changes),
        range: async (range) => {
          const ack = await request('range', range)
          if (!ack.ok) throw faultFromProblem(ack.error)
          // Assertion: so says the contract's table of commands of the ack's `data`.
          return ack.data as RangeAnswer
        },
        loaded: (before) => this.#loaded(before),
        failed: (error) => {
          if (!(error instanceof Fault)) throw error
          if (errors[error.code].closes) session.rejected(error)
          return !lifetime.ended
        },
      },
      lifetime,
    )
    this.#parts = { session, follower, entities, outbox, firstLoad: createDeferred() }
    void follower.reload()
  }

  end(): void {
    this.#parts?.outbox.drop()
    this.#parts = undefined
    this.#views.clear()
    this.#notifier.changed()
  }

  /** The confirmed state; undefined while nobody is signed in. */
  get entities(): Entities<State> | undefined {
    return this.#parts?.entities
  }

  /**
   * Waits until the topic is loaded. Rejects with Fault `unavailable` if nobody is signed in, or if
   * the engine stops before.
   */
  async whenLoaded(): Promise<{ entities: Entities<State>; lifetime: Lifetime }> {
    if (!this.#parts) throw new Fault('unavailable', { detail: 'Nobody is signed in' })
    const { entities, session, firstLoad } = this.#parts
    await session.lifetime.race(firstLoad.promise)
    return { entities, lifetime: session.lifetime }
  }

  /** Undefined while nobody is signed in. */
  get user_id(): string | undefined {
    return this.#parts?.session.user_id
  }
  get cursor(): Cursor | undefined {
    return this.#parts?.follower.cursor
  }
  get loaded(): boolean {
    return this.cursor !== undefined
  }
  get settled(): boolean {
    if (!this.#parts) return false
    const { follower, entities, outbox } = this.#parts
    const isSent = outbox.commands.every(({ status }) => status === 'failed')
    return follower.settled && entities.loading === 0 && isSent
  }
  /** How many commands would be lost if the engine stopped now. */
  get unsent(): number {
    return this.commands().filter(({ status }) => status !== 'acked').length
  }
  get name(): Topic {
    return this.#model.topic
  }
  get unconfirmed(): readonly KeptCommand[] {
    return this.commands()
      .filter(({ status }) => status !== 'acked')
      .map(({ name, payload, entity_id, message_ids, mutation_id, at }) => {
        return { topic: this.name, name, payload, entity_id, message_ids, mutation_id, at }
      })
  }
  get outbox(): readonly OutboxItem[] {
    const items = this.#itemsOf(this.commands())
    return this.#outbox.get(items, () => items)
  }

  subscribe(listener: () => void): () => void {
    return this.#notifier.subscribe(listener)
  }

  /** The entity's state after all its pending commands; undefined if there is nothing to show. */
  view(key: string): State | undefined {
    if (!this.#views.has(key)) this.#views.set(key, this.#predict(key))
    return this.#views.get(key)
  }

  /** The keys of all entities that are held or that a pending command will create. */
  keys(): Set<string> {
    return new Set([
      ...(this.#parts?.entities.keys() ?? []),
      ...this.commands().map(({ entity_id }) => entity_id),
    ])
  }

  /** The pending commands, of one entity or of all. */
  commands(key?: string): readonly PendingCommand<State>[] {
    const outbox = this.#parts?.outbox
    return (key === undefined ? outbox?.commands : outbox?.commandsOf(key)) ?? []
  }

  itemsOf(key: string): readonly OutboxItem[] {
    return this.#itemsOf(this.commands(key))
  }

  /**
   * Shows the command's effect and sends it.
   * @param id what the caller knows the command's subject by
   */
  send(
    command: OutgoingCommand<State>,
    id = command.entity_id,
    mutation_id?: string,
  ): IssuedCommand {
    if (this.#parts) return this.#parts.outbox.add(command, id, mutation_id)
    return { id, mutation_id: newId(), outcome: Promise.resolve({ ok: false, reason: 'dropped' }) }
  }

  /** Sends a request that isn't logged. Does nothing while disconnected. */
  sendUnlogged(name: string, payload: object): void {
    this.#parts?.connection?.request(name, payload).catch(() => undefined)
  }

  /** Checks whether a change was missed, and sends what waits. */
  check(): void {
    void this.#parts?.follower.check()
    this.#parts?.outbox.flush()
  }

  reload(): void {
    void this.#parts?.follower.reload()
  }

  /** Something has changed that isn't an entity. */
  notify(): void {
    this.#notifier.changed()
  }

  #changed(key: string): void {
    this.#views.delete(key)
    this.#deps.invalidate?.(key)
    this.#notifier.changed()
  }

  #itemsOf(commands: readonly PendingCommand<State>[]): readonly OutboxItem[] {
    return this.#parts ? outboxItems(commands, this.#parts.outbox, this.#model.topic) : []
  }

  async #load(): Promise<Cursor> {
    const { entities, outbox, session } = this.#parts!
    const states = new Map<string, State>()
    const ackedBefore = new Set(outbox.commands.filter(({ status }) => status === 'acked'))
    const cursor = await this.#model.loadAll((key, state) => states.set(key, state))
    if (session.lifetime.ended) return cursor
    entities.replaceAll(states)
    this.#removeApplied((command) => ackedBefore.has(command))
    return cursor
  }

  #loaded(before: Cursor | undefined): void {
    const parts = this.#parts!
    const { session, follower, firstLoad } = parts
    // The change of an ack from another log never arrives in this one.
    const isOtherLog = before !== undefined && before.epoch !== follower.cursor?.epoch
    this.#removeApplied(() => isOtherLog)
    firstLoad.resolve()
    parts.connection ??= session.connections.open(
      this.#model.topic,
      this.#connectionListener(session.user_id, follower),
    )
    this.#notifier.changed()
  }

  #connectionListener(user_id: string, follower: LogFollower): TopicConnectionListener {
    return {
      handshake: () => ({ protocol: PROTOCOL, since: follower.since, user_id }),
      on: {
        sync: (sync) => follower.onSync(sync),
        change: (change) => follower.onChange(change),
        head: (head) => follower.onHead(head),
        delta: this.#deps.delta,
        presence: this.#deps.presence,
        draft: this.#deps.draft,
      },
      live: () => {
        this.#parts?.outbox.flush()
        this.#deps.live?.()
      },
      down: () => this.#deps.down?.(),
      probe: () => void follower.check(),
    }
  }

  #apply(changes: readonly WireChange[]): void {
    for (const change of changes) {
      // A change may have ended the session: the account was closed, or this session revoked.
      if (!this.#parts) return
      const { entities, outbox } = this.#parts
      entities.follow(change)
      // After the state, so that the command's effect is never gone in between.
      if (change.mutation_id !== undefined)
        outbox.confirm(change.mutation_id, change.seq, change.version)
      this.#deps.applied?.(change)
    }
    this.#removeApplied()
    this.#notifier.changed()
  }

  /** @param isApplied asked for commands whose `seq` doesn't show it */
  #removeApplied(isApplied: (command: PendingCommand<State>) => boolean = () => false): void {
    if (!this.#parts) return
    const { entities, outbox, follower } = this.#parts
    const applied = follower.cursor?.seq ?? 0
    outbox.removeApplied(
      (command) => isApplied(command) || command.seq === undefined || command.seq <= applied,
      (key) => entities.get(key),
    )
  }

  #predict(key: string): State | undefined {
    if (!this.#parts) return undefined
    const { entities, outbox, session } = this.#parts
    let state = entities.get(key)
    for (const command of outbox.commandsOf(key)) {
      if (command.status === 'failed' && !command.showsWhenFailed) continue
      const context = { user_id: session.user_id, at: command.at, newId: () => newId() }
      try {
        state = command.predict(state, context)
      } catch (error) {
        // A Fault: the server will probably refuse the command. The view waits until it does.
        if (!(error instanceof Fault)) throw error
      }
    }
    return state
  }
}
