// One production on its own: a provider that says what a test tells it to, and a sink that can be slow, away or closed.
import { expect } from 'vitest'
import { Producer, type ProducedEnding, type TextSink } from '../../realtime/agents/producer.ts'
import type { ProviderEvent } from '../../realtime/agents/provider.ts'
import { replyTimings as usual, type ReplyTimings } from '../../realtime/agents/timings.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { Fault } from '@lockstep/protocol/errors'

const logger = createLogger('silent')
export const quick: ReplyTimings = { ...usual, deltaMs: 2, durableMs: 20, retryMs: 1, giveUpMs: 60 }
export const unavailable = () => new Fault('unavailable')
const refused = () => new Fault('not_found')

/** Holds what it was given, as the log does: a repeated piece changes nothing, nothing follows an end. */
export class RecordingSink implements TextSink {
  text = ''
  shown = ''
  ending: ProducedEnding | undefined
  readonly writes: { at: number; text: string }[] = []
  readonly deltas: { offset: number; text: string }[] = []
  readonly thinking: { offset: number; text: string; thinkingMs: number }[] = []
  /** Called before each write; may throw. */
  beforeWrite: () => void | Promise<void> = () => undefined

  async extend(offset: number, text: string): Promise<void> {
    await this.beforeWrite()
    if (this.ending) throw refused()
    expect(offset).toBeLessThanOrEqual(this.text.length)
    expect(text.isWellFormed()).toBe(true)
    this.text += text.slice(this.text.length - offset)
    this.writes.push({ at: performance.now(), text })
  }
  async finish(ending: ProducedEnding): Promise<void> {
    await this.beforeWrite()
    this.ending ??= ending
  }
  delta(offset: number, text: string, thinkingMs?: number): void {
    expect(text.isWellFormed()).toBe(true)
    if (thinkingMs !== undefined) return void this.thinking.push({ offset, text, thinkingMs })
    this.deltas.push({ offset, text })
    expect(offset).toBe(this.shown.length)
    this.shown += text
  }
}

export function produce(
  source: (signal: AbortSignal) => AsyncIterable<ProviderEvent>,
  timings: Partial<ReplyTimings> = {},
  shelf = new RecordingSink(),
) {
  const production = new Producer(source, shelf, { timings: { ...quick, ...timings }, logger })
  return { production, shelf, done: production.run() }
}

export async function* say(...texts: string[]): AsyncGenerator<ProviderEvent> {
  for (const text of texts) yield { kind: 'text', text }
}
/** Says these, then hangs and ignores that nobody listens. */
export async function* hanging(...texts: string[]): AsyncGenerator<ProviderEvent> {
  yield* say(...texts)
  await new Promise(() => undefined)
}
