// One topic on this device, whichever it is: the confirmed state that follows the log, the outbox over it, and what both together look
// like. It outlives sign-outs; what belongs to one signed-in run is made anew by `begin`.
import type { WireChange } from '@lockstep/protocol/change'
import type { Cursor } from '@lockstep/protocol/cursor'
import { errors } from '@lockstep/protocol/error-codes'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { RangeAnswer } from '@lockstep/protocol/sync'
import { PROTOCOL } from '@lockstep/protocol/version'
import { createDeferred, type Deferred } from './deferred.ts'
import type { TopicConnection, TopicConnectionListener } from './topic-connection.ts'
import type { ConnectionManager } from './connection-manager.ts'
import { Entities } from './entities.ts'
import { faultFromProblem } from './rest/call.ts'
import type { OutgoingCommand, TopicModel } from './topic-model.ts'
import { Notifier } from './notifier.ts'
import { outboxItems } from './outbox-item.ts'
import { Outbox, type PendingCommand } from './outbox.ts'
import { LogFollower } from './log-follower.ts'
import type { Lifetime } from './lifetime.ts'
import type { OutboxItem, IssuedCommand } from './views.ts'

/** One signed-in run of the engine. */
export interface EngineSession {
  readonly user_id: string
  readonly session_id: string
  readonly scope: Lifetime
  readonly connection: ConnectionManager
  /** The server refused for good. */
  refused(fault: Fault): void
}

export interface TopicDeps {
  /** What is shown of this entity may have become another. */
  invalidate?(key: string): void
  /** A change was applied. */
  applied?(change: WireChange): void
  delta?: TopicConnectionListener['on']['delta']
  presence?: TopicConnectionListener['on']['presence']
  live?(): void
  down?(): void
}

interface Parts<Held extends object> {
  run: EngineSession
  replica: LogFollower
  entities: Entities<Held>
  outbox: Outbox
  firstLoad: Deferred<void>
  channel?: TopicConnection
}

/** How long the change of an acked command may take to come by the log before it is asked for; milliseconds. */
const PATIENCE = 2_000

export class TopicReplica<Held extends object> {
  readonly model: TopicModel<Held>
  readonly #hooks: TopicDeps
  readonly #notifier: Notifier
  readonly #views = new Map<string, Held | undefined>()
  #parts: Parts<Held> | undefined
  #outbox: readonly OutboxItem[] | undefined

  constructor(model: TopicModel<Held>, hooks: TopicDeps, onChange: () => void) {
    this.model = model
    this.#hooks = hooks
    this.#notifier = new Notifier(onChange)
  }

  begin(run: EngineSession): void {
    const { scope } = run
    const connected = () => this.#parts?.channel?.status === 'live'
    const request = (name: string, payload: object) => this.#parts!.channel!.request(name, payload)
    const outbox = new Outbox(
      {
        request,
        connected,
        changed: (key) => this.changed(key),
        acked: ({ seq = 0 }) => {
          this.#land()
          scope.after(PATIENCE, () => replica.expect(seq))
        },
        refusedForGood: (fault) => run.refused(fault),
      },
      scope,
    )
    const otherLog = (epoch: string | undefined) => {
      const isOther =
        epoch !== undefined && replica.cursor !== undefined && epoch !== replica.cursor.epoch
      if (isOther) void replica.reload()
      return isOther
    }
    const entities = new Entities(
      this.model,
      { changed: (key) => this.changed(key), otherLog },
      scope,
    )
    const replica = new LogFollower(
      {
        connected,
        load: () => this.#load(),
        apply: (changes) => this.#apply(changes),
        range: async (asked) => {
          const ack = await request('range', asked)
          if (!ack.ok) throw faultFromProblem(ack.error)
          return ack.data as RangeAnswer
        },
        loaded: (before) => this.#loaded(before),
        failed: (error) => {
          if (!(error instanceof Fault)) throw error
          if (errors[error.code].closes) run.refused(error)
          return !scope.ended
        },
      },
      scope,
    )
    this.#parts = { run, replica, entities, outbox, firstLoad: createDeferred() }
    void replica.reload()
  }

  end(): void {
    this.#parts?.outbox.drop()
    this.#parts = undefined
    this.#views.clear()
    this.#outbox = undefined
    this.#notifier.changed()
  }

  /** The confirmed state of this run; undefined while there is none. */
  get entities(): Entities<Held> | undefined {
    return this.#parts?.entities
  }

  /** This run, once the topic is loaded. Rejects with Fault `unavailable` when the engine isn't running or stops. */
  async whenLoaded(): Promise<{ entities: Entities<Held>; scope: Lifetime; user_id: string }> {
    if (!this.#parts) throw new Fault('unavailable', { detail: 'Nobody is signed in' })
    const { entities, run, firstLoad } = this.#parts
    await run.scope.race(firstLoad.promise)
    return { entities, scope: run.scope, user_id: run.user_id }
  }

  get cursor(): Cursor | undefined {
    return this.#parts?.replica.cursor
  }
  get loaded(): boolean {
    return this.cursor !== undefined
  }
  get settled(): boolean {
    const { replica, entities, outbox } = this.#parts ?? {}
    if (!replica || !entities || !outbox) return false
    return (
      replica.settled &&
      entities.loading === 0 &&
      outbox.commands.every(({ status }) => status === 'failed')
    )
  }
  /** Commands that closing would lose. */
  get unsent(): number {
    return this.#parts?.outbox.commands.filter(({ status }) => status !== 'acked').length ?? 0
  }
  get outbox(): readonly OutboxItem[] {
    this.#outbox ??= outboxItems(this.entries(), this.#parts?.outbox, this.model)
    return this.#outbox
  }

  subscribe(listener: () => void): () => void {
    return this.#notifier.subscribe(listener)
  }

  /** What the commands leave of, or make of an entity, if it is shown at all. */
  view(key: string): Held | undefined {
    if (!this.#views.has(key)) this.#views.set(key, this.#predict(key))
    return this.#views.get(key)
  }

  /** Of everything that is held or about to be made. */
  keys(): Set<string> {
    return new Set([
      ...(this.#parts?.entities.keys() ?? []),
      ...this.entries().map(({ entity_id }) => entity_id),
    ])
  }

  entries(key?: string): readonly PendingCommand[] {
    const outbox = this.#parts?.outbox
    return (key === undefined ? outbox?.commands : outbox?.commandsOf(key)) ?? []
  }

  itemsOf(key: string): readonly OutboxItem[] {
    return outboxItems(this.entries(key), this.#parts?.outbox, this.model)
  }

  /** Shows the command's effect and sends it. `id`: what the caller wants to know it by. */
  send(command: OutgoingCommand, id = command.entity_id): IssuedCommand {
    if (this.#parts) return this.#parts.outbox.add(command, id)
    return { id, mutation_id: newId(), outcome: Promise.resolve({ ok: false, reason: 'dropped' }) }
  }

  /** A request that changes nothing that is logged; nothing happens while disconnected. */
  tell(name: string, payload: object): void {
    this.#parts?.channel?.request(name, payload).catch(() => undefined)
  }

  /** Looks whether something was missed, and sends what waits. */
  check(): void {
    void this.#parts?.replica.check()
    this.#parts?.outbox.flush()
  }

  reload(): void {
    void this.#parts?.replica.reload()
  }

  /** Something is shown differently that isn't an entity. */
  notify(): void {
    this.#notifier.changed()
  }

  changed(key: string): void {
    this.#views.delete(key)
    this.#outbox = undefined
    this.#hooks.invalidate?.(key)
    this.#notifier.changed()
  }

  async #load(): Promise<Cursor> {
    const { entities, outbox, run } = this.#parts!
    const held = new Map<string, Held>()
    const ackedBefore = new Set(outbox.commands.filter(({ status }) => status === 'acked'))
    const cursor = await this.model.loadAll((key, value) => held.set(key, value))
    if (run.scope.ended) return cursor
    entities.replaceAll(held)
    this.#land((entry) => ackedBefore.has(entry))
    return cursor
  }

  #loaded(before: Cursor | undefined): void {
    const parts = this.#parts!
    // An ack of another log can't be waited for in this one.
    const isOtherLog = before !== undefined && before.epoch !== parts.replica.cursor?.epoch
    this.#land(() => isOtherLog)
    parts.firstLoad.resolve()
    parts.channel ??= parts.run.connection.open(
      this.model.topic,
      this.#listener(parts.run, parts.replica),
    )
    this.#notifier.changed()
  }

  #listener(run: EngineSession, replica: LogFollower): TopicConnectionListener {
    return {
      handshake: () => ({ protocol: PROTOCOL, since: replica.since, user_id: run.user_id }),
      on: {
        sync: (sync) => replica.onSync(sync),
        change: (change) => replica.onChange(change),
        head: (head) => replica.onHead(head),
        delta: this.#hooks.delta,
        presence: this.#hooks.presence,
      },
      live: () => {
        this.#parts?.outbox.flush()
        this.#hooks.live?.()
      },
      down: () => this.#hooks.down?.(),
      ask: () => void replica.check(),
    }
  }

  #apply(changes: readonly WireChange[]): void {
    for (const change of changes) {
      const { entities, outbox } = this.#parts ?? {}
      if (!entities || !outbox) return // one of them was the end: the account was closed, this session revoked
      entities.follow(change)
      // Behind the state: the command's effect must not be gone for a moment.
      if (change.mutation_id !== undefined)
        outbox.confirm(change.mutation_id, change.seq, change.version)
      this.#hooks.applied?.(change)
    }
    this.#land()
    this.#notifier.changed()
  }

  #land(isHere = (_entry: PendingCommand) => false): void {
    const { entities, outbox, replica } = this.#parts ?? {}
    const here = replica?.cursor?.seq ?? 0
    outbox?.removeApplied(
      (entry) => isHere(entry) || entry.seq === undefined || entry.seq <= here,
      (entry) => this.model.findIgnoredEdit?.(entities?.get(entry.entity_id), entry),
    )
  }

  #predict(key: string): Held | undefined {
    if (!this.#parts) return undefined
    const { entities, outbox, run } = this.#parts
    let held = entities.get(key)
    for (const entry of outbox.commandsOf(key)) {
      if (entry.status === 'failed' && !this.model.showsWhenFailed(entry)) continue
      try {
        held = this.model.predict(held, entry, {
          user_id: run.user_id,
          at: entry.at,
          newId: () => newId(),
        })
      } catch (error) {
        if (!(error instanceof Fault)) throw error // a Fault: the server will say it, the view waits for it
      }
    }
    return held
  }
}
