// The commands that the server has not confirmed. The commands of one entity are sent in order.
// Each is sent again under the same `mutation_id` until the server has answered, and it stays here
// until its change has arrived, so that the view never falls back in between.
//
//   queued --send--> sending --ack--> acked --its change arrives--> gone
//     ^                |  \
//     |  no answer, or |   \--refused for good--> failed --retry--> queued
//     +--refused for now                             \--discard--> gone
import { errors } from '@lockstep/protocol/error-codes'
import type { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { Problem } from '@lockstep/protocol/problem'
import type { Ack } from '@lockstep/protocol/sync'
import { createDeferred } from './deferred.ts'
import type { Lifetime } from './lifetime.ts'
import type { OutgoingCommand } from './outgoing-command.ts'
import { faultFromProblem } from './rest/call.ts'
import type { CommandOutcome, IssuedCommand } from './views.ts'

const MAX_SENDING = 16
/** A command that is answered with `internal` may meet the same fault each time it is sent. */
const MAX_INTERNAL_FAULTS = 6

/** `acked`: the server has done it, and its change is still to arrive. */
export type PendingStatus = 'queued' | 'sending' | 'failed' | 'acked'

export interface PendingCommand<State extends object> extends OutgoingCommand<State> {
  readonly mutation_id: string
  /** ISO time at which the command was issued. */
  readonly at: string
  readonly status: PendingStatus
  readonly problem?: Problem
  /** From the ack. */
  readonly seq?: number
  readonly version?: number
}

/** A place in the queue. Its command is replaced whenever the command's status changes. */
interface Slot<State extends object> {
  command: PendingCommand<State>
  attempt: number
  /** The command isn't sent before this moment, which the lifetime's `elapsed` measures. */
  notBefore: number
  settle: (outcome: CommandOutcome) => void
}

export interface OutboxDeps<State extends object> {
  /** Rejects if nobody can tell whether the server has received the command. */
  request(name: string, payload: object): Promise<Ack>
  connected(): boolean
  changed(entity_id: string): void
  /** An ack came. The command's change may have come before it, and may never come by itself. */
  acked(command: PendingCommand<State>): void
  /** The server has refused this device for good. */
  rejected(fault: Fault): void
}

export class Outbox<State extends object> {
  readonly #deps: OutboxDeps<State>
  readonly #lifetime: Lifetime
  #slots: Slot<State>[] = []
  #pausedUntil = 0
  #cancelWake: (() => void) | undefined

  constructor(deps: OutboxDeps<State>, lifetime: Lifetime) {
    this.#deps = deps
    this.#lifetime = lifetime
  }

  /** In the order in which they were issued. */
  get commands(): readonly PendingCommand<State>[] {
    return this.#slots.map(({ command }) => command)
  }

  commandsOf(entity_id: string): readonly PendingCommand<State>[] {
    return this.commands.filter((command) => command.entity_id === entity_id)
  }

  /** @param id the id by which the caller knows the command's subject */
  add(
    command: OutgoingCommand<State>,
    id: string,
    mutation_id = newId(this.#lifetime.now()),
  ): IssuedCommand {
    const { promise, resolve } = createDeferred<CommandOutcome>()
    const pending: PendingCommand<State> = {
      ...command,
      mutation_id,
      at: new Date(this.#lifetime.now()).toISOString(),
      status: 'queued',
    }
    this.#slots.push({ command: pending, attempt: 0, notBefore: 0, settle: resolve })
    this.#deps.changed(pending.entity_id)
    this.flush()
    return { id, mutation_id: pending.mutation_id, outcome: promise }
  }

  /** Sends the commands that may be sent now. */
  flush(): void {
    if (!this.#deps.connected() || this.#lifetime.ended) return
    const now = this.#lifetime.elapsed()
    const sending = this.commands.filter(({ status }) => status === 'sending')
    const busy = new Set(sending.map(({ entity_id }) => entity_id))
    let count = busy.size
    let wakeAt = Infinity
    for (const slot of [...this.#slots]) {
      const { status, entity_id } = slot.command
      if (status !== 'queued' || busy.has(entity_id)) continue
      busy.add(entity_id)
      const due = Math.max(slot.notBefore, this.#pausedUntil)
      if (due > now) wakeAt = Math.min(wakeAt, due)
      else if (count < MAX_SENDING) {
        count++
        void this.#send(slot)
      }
    }
    this.#cancelWake?.()
    this.#cancelWake =
      wakeAt === Infinity ? undefined : this.#lifetime.after(wakeAt - now, () => this.flush())
  }

  /** The change of a command has arrived. */
  confirm(mutation_id: string, seq: number, version: number): void {
    const slot = this.#find(mutation_id)
    if (!slot) return
    this.#remove(slot, { ok: true, seq, version })
    this.flush()
  }

  /**
   * Removes the acked commands whose change is part of the held state.
   * @param isApplied whether it is, for one command
   * @param stateOf the held state of an entity
   */
  removeApplied(
    isApplied: (command: PendingCommand<State>) => boolean,
    stateOf: (entity_id: string) => State | undefined,
  ): void {
    for (const slot of [...this.#slots]) {
      const { command } = slot
      if (command.status !== 'acked' || !isApplied(command)) continue
      const problem = command.findIgnoredEdit?.(stateOf(command.entity_id))
      if (problem) this.#fail(slot, problem)
      else this.#remove(slot, { ok: true, seq: command.seq, version: command.version })
    }
  }

  /**
   * Sends a failed command again, or a queued one now.
   * @param overwrite drops the version that the command requires. It is another command then, and
   *   gets a new `mutation_id`.
   */
  retry(mutation_id: string, overwrite: boolean): void {
    const slot = this.#findAtRest(mutation_id)
    if (!slot) return
    slot.attempt = 0
    slot.notBefore = 0
    this.#pausedUntil = 0
    if (overwrite) {
      const { at, status, withoutVersionCheck } = slot.command
      const renewed = newId(this.#lifetime.now())
      slot.command = { ...withoutVersionCheck(), mutation_id: renewed, at, status }
    }
    this.#update(slot, { status: 'queued', problem: undefined })
    this.flush()
  }

  /** Removes a failed or queued command. */
  discard(mutation_id: string): void {
    const slot = this.#findAtRest(mutation_id)
    if (!slot) return
    this.#remove(slot, { ok: false, reason: 'discarded' })
    this.flush()
  }

  /** The engine stops or is signed out: removes all commands. */
  drop(): void {
    for (const { settle } of this.#slots.splice(0)) settle({ ok: false, reason: 'dropped' })
  }

  async #send(slot: Slot<State>): Promise<void> {
    this.#update(slot, { status: 'sending' })
    const { name, payload, mutation_id } = slot.command
    const ack = await this.#deps.request(name, { ...payload, mutation_id }).catch(() => undefined)
    const isCurrent = slot.command.mutation_id === mutation_id && this.#slots.includes(slot)
    if (this.#lifetime.ended || !isCurrent) return
    if (!ack) this.#sendAgain(slot, undefined, this.#lifetime.delay(slot.attempt))
    else if (!ack.ok) this.#handleRefusal(slot, ack.error)
    else {
      const { seq, version } = ack
      this.#update(slot, { status: 'acked', problem: undefined, seq, version })
      // Whether the edit was made shows only when its change has arrived.
      if (!slot.command.findIgnoredEdit) slot.settle({ ok: true, seq, version })
      this.#deps.acked(slot.command)
    }
    this.flush()
  }

  #handleRefusal(slot: Slot<State>, problem: Problem): void {
    const fault = faultFromProblem(problem)
    const { closes, retryable } = errors[fault.code]
    if (closes) return this.#deps.rejected(fault)
    const isHopeless = fault.code === 'internal' && slot.attempt >= MAX_INTERNAL_FAULTS
    if (!retryable || isHopeless) return this.#fail(slot, problem)
    const delay = this.#lifetime.delay(slot.attempt, problem.retry_after_ms)
    // The limit is the user's and not the command's: it would refuse the other commands too.
    if (fault.code === 'rate_limited') this.#pausedUntil = this.#lifetime.elapsed() + delay
    this.#sendAgain(slot, problem, delay)
  }

  #sendAgain(slot: Slot<State>, problem: Problem | undefined, delay: number): void {
    slot.attempt++
    slot.notBefore = this.#deps.connected() ? this.#lifetime.elapsed() + delay : 0
    this.#update(slot, { status: 'queued', problem })
  }

  #fail(slot: Slot<State>, problem: Problem): void {
    this.#update(slot, { status: 'failed', problem })
    slot.settle({ ok: false, reason: 'failed', problem })
  }

  #update(slot: Slot<State>, fields: Partial<PendingCommand<State>>): void {
    slot.command = { ...slot.command, ...fields }
    this.#deps.changed(slot.command.entity_id)
  }

  #remove(slot: Slot<State>, outcome: CommandOutcome): void {
    this.#slots = this.#slots.filter((other) => other !== slot)
    this.#deps.changed(slot.command.entity_id)
    slot.settle(outcome)
  }

  #find(mutation_id: string): Slot<State> | undefined {
    return this.#slots.find(({ command }) => command.mutation_id === mutation_id)
  }

  /** A command that isn't being sent: one that is can't be taken back. */
  #findAtRest(mutation_id: string): Slot<State> | undefined {
    const slot = this.#find(mutation_id)
    const isAtRest = slot?.command.status === 'failed' || slot?.command.status === 'queued'
    return isAtRest ? slot : undefined
  }
}
