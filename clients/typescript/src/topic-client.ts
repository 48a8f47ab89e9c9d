// What the public interfaces of all topics have in common.
import type { Cursor } from '@lockstep/protocol/cursor'
import type { KeptCommand, KeptOf } from './command-keeper.ts'
import type { CommandTable } from './outgoing-command.ts'
import type { EngineSession, TopicReplica } from './topic-replica.ts'
import type { IssuedCommand, OutboxItem, TopicView } from './views.ts'

/** `State`: what the topic holds of one entity. `Commands`: payloads by name. */
export abstract class TopicClient<State extends object, Commands> implements TopicView {
  protected abstract readonly topic: TopicReplica<State>
  protected abstract readonly commands: CommandTable<State, Commands>

  get loaded(): boolean {
    return this.topic.loaded
  }
  get cursor(): Cursor | undefined {
    return this.topic.cursor
  }
  get settled(): boolean {
    return this.topic.settled
  }
  get unsent(): number {
    return this.topic.unsent
  }
  get outbox(): readonly OutboxItem[] {
    return this.topic.outbox
  }
  readonly subscribe = (listener: () => void): (() => void) => this.topic.subscribe(listener)

  /** What an engine needs of its commands to send them in a later life. */
  get unconfirmed(): readonly KeptCommand[] {
    return this.topic.unconfirmed
  }
  /** Takes over this topic's commands of an earlier engine, with their `mutation_id`. */
  takeOver(commands: readonly KeptCommand[]): void {
    for (const kept of commands) {
      if (kept.topic !== this.topic.name) continue
      // Assertion: this topic's client of an earlier engine has issued it.
      const { name, payload, entity_id, mutation_id } = kept as KeptOf<Commands>
      this.issue(name, payload, entity_id, mutation_id)
    }
  }
  protected issue<Name extends keyof Commands>(
    name: Name,
    payload: Commands[Name],
    subject?: string,
    mutation_id?: string,
  ): IssuedCommand {
    return this.topic.send(this.commands[name](payload), subject, mutation_id)
  }

  /** Somebody has signed in. */
  begin(session: EngineSession): void {
    this.topic.begin(session)
  }
  /** Forgets everything. */
  end(): void {
    this.topic.end()
  }
  /** Checks whether a change was missed. */
  check(): void {
    this.topic.check()
  }
}
