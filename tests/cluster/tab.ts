// A tab with the real client engine. It connects through the load balancer, which chooses its node.
import type { Person } from '../harness/person.ts'
import { eventually } from '../harness/eventually.ts'
import { createEngine, type Engine } from '@lockstep/client'

export class EngineTab implements AsyncDisposable {
  readonly engine: Engine
  /** When it last lost its node, and when it was last live again (`performance.now()`). */
  lostAt = -Infinity
  liveAt = -Infinity

  private constructor(person: Person, origin: string) {
    this.engine = createEngine({ origin, headers: () => ({ cookie: person.cookie }) })
    let live = false
    this.engine.subscribe(() => {
      const now = this.engine.connection === 'live'
      if (now !== live) this[now ? 'liveAt' : 'lostAt'] = performance.now()
      live = now
    })
  }

  /** Opens a tab at a conversation. Resolves when it is live. */
  static async open(person: Person, origin: string, conversation_id: string): Promise<EngineTab> {
    const tab = new EngineTab(person, origin)
    await tab.engine.start()
    await tab.engine.conversations.open(conversation_id)
    await tab.live()
    return tab
  }

  live(within = 20_000): Promise<unknown> {
    return eventually(() => this.engine.connection === 'live', { within, what: 'the tab is live' })
  }

  /**
   * Writes a message. Resolves to its `mutation_id` when it is acked, however often it had to be
   * sent. Rejects if it is refused.
   */
  async write(conversation_id: string, content: string): Promise<string> {
    const { mutation_id, outcome } = this.engine.conversations.append(conversation_id, {
      role: 'user',
      content,
    })
    const ended = await outcome
    if (!ended.ok) throw new Error(`failed: ${JSON.stringify(ended)}`)
    return mutation_id
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.engine.stop()
  }
}
