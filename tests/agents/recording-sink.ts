// Runs one producer on its own: with a provider that a test scripts, and a sink that can be slow,
// unavailable or closed.
import { expect } from 'vitest'
import { Producer } from '../../realtime/agents/producer.ts'
import type { ProviderEvent } from '../../realtime/agents/provider.ts'
import type { ProducedEnding, TextSink } from '../../realtime/agents/text-sink.ts'
import { replyTimings, type ReplyTimings } from '../../realtime/agents/timings.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { Fault } from '@lockstep/protocol/errors'
import type { Part } from '@lockstep/protocol/parts'

const logger = createLogger('silent')
export const quick: ReplyTimings = {
  ...replyTimings,
  deltaMs: 2,
  durableMs: 20,
  retryMs: 1,
  giveUpMs: 60,
}
export const unavailable = () => new Fault('unavailable')
const refused = () => new Fault('not_found')

/**
 * Records what a producer writes, as the log does: a repeated write changes nothing, and nothing
 * follows the end.
 */
export class RecordingSink implements TextSink {
  text = ''
  shown = ''
  retractions = 0
  ending: ProducedEnding | undefined
  readonly writes: { at: number; text: string }[] = []
  readonly deltas: { offset: number; text: string }[] = []
  readonly thinking: { offset: number; text: string; thinkingMs: number }[] = []
  /** The thoughts that devices have seen, by part. */
  readonly thoughts = new Map<string, string>()
  readonly parts: Part[] = []
  /** Is called before each write and may throw. */
  beforeWrite: () => void | Promise<void> = () => undefined

  async extend(offset: number, text: string): Promise<void> {
    await this.beforeWrite()
    if (this.ending) throw refused()
    expect(offset).toBeLessThanOrEqual(this.text.length)
    expect(text.isWellFormed()).toBe(true)
    this.text += text.slice(this.text.length - offset)
    this.writes.push({ at: performance.now(), text })
  }
  async part(part: Part): Promise<void> {
    await this.beforeWrite()
    if (this.ending) throw refused()
    this.parts.push(part)
  }
  describe(): Promise<void> {
    return Promise.resolve()
  }
  async retract(): Promise<void> {
    await this.beforeWrite()
    if (this.ending) throw refused()
    this.text = ''
    this.retractions++
  }
  async finish(ending: ProducedEnding): Promise<void> {
    await this.beforeWrite()
    this.ending ??= ending
  }
  delta(offset: number, text: string, thinkingMs?: number, part_id?: string): void {
    expect(text.isWellFormed()).toBe(true)
    if (part_id !== undefined) {
      const before = this.thoughts.get(part_id) ?? ''
      expect(offset).toBe(before.length)
      return void this.thoughts.set(part_id, before + text)
    }
    if (thinkingMs !== undefined) {
      this.shown = this.shown.slice(0, offset)
      return void this.thinking.push({ offset, text, thinkingMs })
    }
    this.deltas.push({ offset, text })
    expect(offset).toBe(this.shown.length)
    this.shown += text
  }
}

export function produce(
  source: (signal: AbortSignal) => AsyncIterable<ProviderEvent>,
  timings: Partial<ReplyTimings> = {},
  sink = new RecordingSink(),
) {
  const producer = new Producer(source, sink, { timings: { ...quick, ...timings }, logger })
  return { producer, sink, done: producer.run() }
}

export async function* say(...texts: string[]): AsyncGenerator<ProviderEvent> {
  for (const text of texts) yield { kind: 'text', text }
}
/** Yields these texts, then hangs and ignores an abort. */
export async function* hanging(...texts: string[]): AsyncGenerator<ProviderEvent> {
  yield* say(...texts)
  await new Promise(() => undefined)
}
