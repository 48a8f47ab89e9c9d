// The commands whose texts are being encrypted. The commands of one conversation stay in their
// order, those without a text included. A command is in the outbox only once its texts are
// encrypted.
import { Fault, toProblem } from '@lockstep/protocol/errors'
import type { OutgoingCommand } from '../outgoing-command.ts'
import type { CommandOutcome, IssuedCommand, OutboxItem } from '../views.ts'

export interface QueuedCommand<State extends object> {
  name: string
  entity_id: string
  /** What the caller knows the command's subject by. */
  id: string
  message_ids: readonly string[]
  mutation_id: string
  /** Throws Fault: the command fails. */
  prepare(): Promise<OutgoingCommand<State>>
}

export interface CommandQueueDeps<State extends object> {
  send(command: OutgoingCommand<State>, id: string, mutation_id: string): IssuedCommand
  changed(): void
  now(): number
}

export class CommandQueue<State extends object> {
  readonly #deps: CommandQueueDeps<State>
  readonly #last = new Map<string, Promise<unknown>>()
  #items: readonly OutboxItem[] = []
  /** Rises with each end of a session: what was queued before is dropped. */
  #generation = 0

  constructor(deps: CommandQueueDeps<State>) {
    this.#deps = deps
  }

  /** The same list until it has changed. */
  get items(): readonly OutboxItem[] {
    return this.#items
  }

  has(entity_id: string): boolean {
    return this.#last.has(entity_id)
  }

  clear(): void {
    this.#generation++
    this.#last.clear()
    this.#items = []
  }

  add(queued: QueuedCommand<State>): IssuedCommand {
    const { name: command, entity_id, id, message_ids, mutation_id } = queued
    const item: OutboxItem = {
      ...{ topic: 'conversations', command, mutation_id, entity_id, message_ids, status: 'queued' },
      at: new Date(this.#deps.now()).toISOString(),
      retry: () => undefined,
      discard: () => undefined,
    }
    const before = this.#last.get(entity_id)
    const outcome = this.#send(queued, item, before)
    this.#last.set(entity_id, outcome.sent)
    this.#items = [...this.#items, item]
    this.#deps.changed()
    void outcome.sent.then(() => {
      if (this.#last.get(entity_id) === outcome.sent) this.#last.delete(entity_id)
      this.#items = this.#items.filter((other) => other !== item)
      this.#deps.changed()
    })
    return { id, mutation_id, outcome: outcome.done }
  }

  #send(
    { id, prepare }: QueuedCommand<State>,
    { mutation_id }: OutboxItem,
    before: Promise<unknown> | undefined,
  ): { sent: Promise<unknown>; done: Promise<CommandOutcome> } {
    const generation = this.#generation
    const issued = (async (): Promise<CommandOutcome | IssuedCommand> => {
      await before
      try {
        const command = await prepare()
        if (this.#generation !== generation) return { ok: false, reason: 'dropped' }
        return this.#deps.send(command, id, mutation_id)
      } catch (error) {
        if (!(error instanceof Fault)) throw error
        if (this.#generation !== generation) return { ok: false, reason: 'dropped' }
        return { ok: false, reason: 'failed', problem: toProblem(error) }
      }
    })()
    return { sent: issued, done: issued.then((end) => ('outcome' in end ? end.outcome : end)) }
  }
}
