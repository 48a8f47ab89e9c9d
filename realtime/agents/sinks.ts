// Sinks take the text of a reply: one writes into a message, one into a run, and one into several
// sinks in order (a run first, then its message).
import { Fault } from '@lockstep/protocol/errors'
import type { Delta } from '@lockstep/protocol/sync'
import type { Runs } from '../commands/agents.ts'
import type { Replies, ReplyAddress } from '../commands/replies.ts'
import type { TextSink } from './text-sink.ts'

/** Shows streamed text to the user's devices. It may get lost. */
export type ShowDelta = (user_id: string, topic: 'conversations' | 'agents', delta: Delta) => void

export interface ReplySink extends TextSink {
  /** Whether the sink still takes text. Writes nothing. */
  isOpen(): Promise<boolean>
}

export function messageSink(
  replies: Replies,
  address: ReplyAddress,
  showDelta: ShowDelta,
): ReplySink {
  const { user_id, conversation_id: entity_id, message_id, run_id } = address
  /** Tells apart two writes at the same offset, one before and one after a retraction. */
  let cause: string | undefined
  return {
    extend: (offset, text) => replies.extend(address, { offset, text }, cause),
    part: (part, n) => replies.part(address, part, `producer ${n}`),
    describe: (patch, n) => replies.describe(address, patch, n),
    async retract() {
      await replies.retract(address)
      cause = 'producer after retraction'
    },
    finish: (ending) => replies.finish(address, ending),
    delta(offset, text, thinking_ms, part_id) {
      const delta = { entity_id, message_id, run_id, offset, text, thinking_ms, part_id }
      showDelta(user_id, 'conversations', delta)
    },
    isOpen: () => replies.isOpen(address),
  }
}

/**
 * The output of a run is text, and only grows: after a retraction new text follows the
 * retracted text.
 */
export function runSink(
  runs: Runs,
  { user_id, run_id }: Pick<ReplyAddress, 'user_id' | 'run_id'>,
  showDelta: ShowDelta,
): ReplySink {
  /** Where the text begins in the output. */
  let base = 0
  let written = 0
  return {
    async extend(offset, text) {
      await runs.extend(user_id, run_id, { offset: base + offset, text })
      written = Math.max(written, base + offset + text.length)
    },
    part: () => Promise.resolve(),
    describe: () => Promise.resolve(),
    retract() {
      base = written
      return Promise.resolve()
    },
    finish: (ending) => runs.finish(user_id, run_id, ending),
    delta(offset, text, thinking_ms, part_id) {
      if (part_id !== undefined) return
      showDelta(user_id, 'agents', {
        entity_id: run_id,
        run_id,
        offset: base + offset,
        text,
        thinking_ms,
      })
    },
    isOpen: () => runs.isOpen(user_id, run_id),
  }
}

/**
 * Writes into each sink after the one before it. `finish` also goes on when an entity of a sink is
 * gone.
 */
export function sequentialSink(sinks: readonly ReplySink[]): ReplySink {
  return {
    async extend(offset, text) {
      for (const sink of sinks) await sink.extend(offset, text)
    },
    async part(part, n) {
      for (const sink of sinks) await sink.part(part, n)
    },
    async describe(patch, n) {
      for (const sink of sinks) await sink.describe(patch, n)
    },
    async retract() {
      for (const sink of sinks) await sink.retract()
    },
    async finish(ending) {
      for (const sink of sinks)
        await sink.finish(ending).catch((error: unknown) => {
          if (!(error instanceof Fault) || error.code !== 'not_found') throw error
        })
    },
    delta(...args) {
      for (const sink of sinks) sink.delta(...args)
    },
    isOpen: async () => (await Promise.all(sinks.map((sink) => sink.isOpen()))).every(Boolean),
  }
}
