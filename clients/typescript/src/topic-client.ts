// What the public interfaces of all topics have in common.
import type { Cursor } from '@lockstep/protocol/cursor'
import type { KeptCommand, KeptOf } from './command-keeper.ts'
import type { OutgoingCommand } from './outgoing-command.ts'
import type { EngineSession, TopicReplica } from './topic-replica.ts'
import type { OutboxItem, TopicView } from './views.ts'

/** `State`: what the topic holds of one entity. `Commands`: payloads by name. */
export abstract class TopicClient<State extends object, Commands> implements TopicView {
  protected abstract readonly topic: TopicReplica<State>

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
      const { entity_id, mutation_id } = kept
      // Assertion: this topic's client of an earlier engine has issued it.
      this.topic.send(this.rebuild(kept as KeptOf<Commands>), entity_id, mutation_id)
    }
  }
  /** The command that a kept one was. */
  protected abstract rebuild(kept: KeptOf<Commands>): OutgoingCommand<State>

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
