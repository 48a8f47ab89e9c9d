// Commands that the server has not confirmed: sent in order within an entity, again under the same `mutation_id` until the server has
// answered, and kept until their change has come by the log, so that the view never falls back in between.
import { errors } from '@lockstep/protocol/error-codes'
import { Fault, toProblem } from '@lockstep/protocol/errors'
import type { Problem } from '@lockstep/protocol/problem'
import { newId } from '@lockstep/protocol/ids'
import type { Ack } from '@lockstep/protocol/sync'
import { createDeferred } from './deferred.ts'
import { faultFromProblem } from './rest/call.ts'
import type { OutgoingCommand } from './topic-model.ts'
import type { Lifetime } from './lifetime.ts'
import type { CommandOutcome, IssuedCommand } from './views.ts'

const MOST_UNDER_WAY = 16
/** `internal` may be a fault that this command meets each time. */
const MOST_INTERNAL = 6

/** `acked`: done, its change is still to come. */
export type PendingCommandStatus = 'queued' | 'sending' | 'failed' | 'acked'

export interface PendingCommand extends OutgoingCommand {
  readonly mutation_id: string
  /** ISO time of issue. */
  readonly at: string
  readonly status: PendingCommandStatus
  readonly problem?: Problem
  /** Of `acked`. */
  readonly seq?: number
  readonly version?: number
}

interface Slot {
  entry: PendingCommand
  attempt: number
  /** Not to be sent before; by the scope's `elapsed`. */
  notBefore: number
  settle: (outcome: CommandOutcome) => void
}

export interface OutboxDeps {
  /** Throws when the answer can't be known. */
  request(command: string, payload: object): Promise<Ack>
  connected(): boolean
  changed(entity_id: string): void
  /** An ack came: perhaps its change was here before it, perhaps it never comes by itself. */
  acked(entry: PendingCommand): void
  refusedForGood(fault: Fault): void
}

export class Outbox {
  readonly #port: OutboxDeps
  readonly #scope: Lifetime
  #slots: Slot[] = []
  #pausedUntil = 0
  #wake: (() => void) | undefined

  constructor(port: OutboxDeps, scope: Lifetime) {
    this.#port = port
    this.#scope = scope
  }

  /** In the order of issue. */
  get commands(): readonly PendingCommand[] {
    return this.#slots.map(({ entry }) => entry)
  }

  commandsOf(entity_id: string): readonly PendingCommand[] {
    return this.#slots.flatMap(({ entry }) => (entry.entity_id === entity_id ? entry : []))
  }

  add(command: OutgoingCommand, id: string): IssuedCommand {
    const { promise, resolve } = createDeferred<CommandOutcome>()
    const at = new Date(this.#scope.now()).toISOString()
    const entry: PendingCommand = {
      ...command,
      mutation_id: newId(this.#scope.now()),
      at,
      status: 'queued',
    }
    this.#slots.push({ entry, attempt: 0, notBefore: 0, settle: resolve })
    this.#port.changed(entry.entity_id)
    this.flush()
    return { id, mutation_id: entry.mutation_id, outcome: promise }
  }

  /** Sends what may be sent now. */
  flush(): void {
    if (!this.#port.connected() || this.#scope.ended) return
    const now = this.#scope.elapsed()
    const busy = new Set(
      this.#slots.flatMap(({ entry }) => (entry.status === 'sending' ? entry.entity_id : [])),
    )
    let underWay = busy.size
    let wakeAt = Infinity
    for (const slot of [...this.#slots]) {
      const { status, entity_id } = slot.entry
      if (status !== 'queued' || busy.has(entity_id)) continue
      busy.add(entity_id)
      const due = Math.max(slot.notBefore, this.#pausedUntil)
      if (due > now) wakeAt = Math.min(wakeAt, due)
      else if (underWay < MOST_UNDER_WAY) {
        underWay++
        void this.#send(slot)
      }
    }
    this.#wake?.()
    this.#wake =
      wakeAt === Infinity ? undefined : this.#scope.after(wakeAt - now, () => this.flush())
  }

  /** The change of a command came by the log. */
  confirm(mutation_id: string, seq: number, version: number): void {
    const slot = this.#find(mutation_id)
    if (!slot) return
    this.#remove(slot, { ok: true, seq, version })
    this.flush()
  }

  /** Lets go of acked commands that `isHere` says the state contains; `undone` may object. */
  removeApplied(
    isHere: (entry: PendingCommand) => boolean,
    undone: (entry: PendingCommand) => Problem | undefined,
  ): void {
    for (const slot of [...this.#slots]) {
      const { entry } = slot
      if (entry.status !== 'acked' || !isHere(entry)) continue
      const problem = entry.checksVersion ? undone(entry) : undefined
      if (problem) this.#fail(slot, problem)
      else this.#remove(slot, { ok: true, seq: entry.seq, version: entry.version })
    }
  }

  /** @param command takes the place of the present one, under a new `mutation_id` */
  retry(mutation_id: string, command?: OutgoingCommand): void {
    const slot = this.#find(mutation_id)
    if (!slot || (slot.entry.status !== 'failed' && slot.entry.status !== 'queued')) return
    slot.attempt = 0
    slot.notBefore = 0
    this.#pausedUntil = 0
    const renewed = command && { ...command, mutation_id: newId(this.#scope.now()) }
    this.#become(slot, { ...renewed, status: 'queued', problem: undefined })
    this.flush()
  }

  discard(mutation_id: string): void {
    const slot = this.#find(mutation_id)
    if (!slot || (slot.entry.status !== 'failed' && slot.entry.status !== 'queued')) return
    this.#remove(slot, { ok: false, reason: 'discarded' })
    this.flush()
  }

  /** The engine ends or signs out. */
  drop(): void {
    for (const { settle } of this.#slots.splice(0)) settle({ ok: false, reason: 'dropped' })
  }

  async #send(slot: Slot): Promise<void> {
    this.#become(slot, { status: 'sending' })
    const { name, payload, mutation_id } = slot.entry
    const ack = await this.#port.request(name, { ...payload, mutation_id }).catch(() => undefined)
    if (this.#scope.ended || slot.entry.mutation_id !== mutation_id || !this.#slots.includes(slot))
      return
    if (!ack) this.#again(slot, undefined, this.#scope.delay(slot.attempt))
    else if (ack.ok) {
      this.#become(slot, {
        status: 'acked',
        problem: undefined,
        seq: ack.seq,
        version: ack.version,
      })
      if (!slot.entry.checksVersion) slot.settle({ ok: true, seq: ack.seq, version: ack.version })
      this.#port.acked(slot.entry)
    } else this.#refused(slot, ack.error)
    this.flush()
  }

  #refused(slot: Slot, problem: Problem): void {
    const fault = faultFromProblem(problem)
    const { closes, retryable } = errors[fault.code]
    if (closes) return this.#port.refusedForGood(fault)
    if (!retryable || (fault.code === 'internal' && slot.attempt >= MOST_INTERNAL))
      return this.#fail(slot, problem)
    const delay = this.#scope.delay(slot.attempt, problem.retry_after_ms)
    // The limit is the user's, not the command's: the others would only meet it too.
    if (fault.code === 'rate_limited') this.#pausedUntil = this.#scope.elapsed() + delay
    this.#again(slot, problem, delay)
  }

  #again(slot: Slot, problem: Problem | undefined, delay: number): void {
    slot.attempt++
    slot.notBefore = this.#port.connected() ? this.#scope.elapsed() + delay : 0
    this.#become(slot, { status: 'queued', problem })
  }

  #fail(slot: Slot, problem: Problem): void {
    this.#become(slot, { status: 'failed', problem })
    slot.settle({ ok: false, reason: 'failed', problem })
  }

  #become(slot: Slot, change: Partial<PendingCommand>): void {
    slot.entry = { ...slot.entry, ...change }
    this.#port.changed(slot.entry.entity_id)
  }

  #remove(slot: Slot, outcome: CommandOutcome): void {
    this.#slots = this.#slots.filter((other) => other !== slot)
    this.#port.changed(slot.entry.entity_id)
    slot.settle(outcome)
  }

  #find(mutation_id: string): Slot | undefined {
    return this.#slots.find(({ entry }) => entry.mutation_id === mutation_id)
  }
}

/** The problem of a version that was passed meanwhile; `current`: the thing as it is now. */
export const conflictWith = (current: unknown): Problem =>
  toProblem(new Fault('version_conflict', { current }))
