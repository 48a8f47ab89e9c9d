// A tab with the real client engine, behind the load balancer: nobody tells it which node to go to.
import type { Person } from '../harness/person.ts'
import { eventually } from '../harness/eventually.ts'
import { createEngine, type Engine } from '@lockstep/client'

export class EngineTab implements AsyncDisposable {
  readonly engine: Engine
  /** When it was last seen to lose its node, and to be live again (`performance.now()`). */
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

  /** Opens it at a conversation; resolves when it is live. */
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

  /** Writes a message; resolves to its `mutation_id` when it was acked, however often it had to be sent. Rejects when it was refused. */
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
