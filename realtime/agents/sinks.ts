// Where the text of a reply goes: into a message, into a run, or into a run first and then into its message.
import { Fault } from '@lockstep/protocol/errors'
import type { Delta } from '@lockstep/protocol/sync'
import type { Replies, ReplyAddress } from '../commands/replies.ts'
import type { Runs } from '../commands/agents.ts'
import type { TextSink } from './producer.ts'

/** Shows streamed text to the user's devices; may get lost. */
export type ShowDelta = (user_id: string, topic: 'conversations' | 'agents', delta: Delta) => void

/** A sink that can also tell whether it still takes text, without writing. */
export interface ReplySink extends TextSink {
  isOpen(): Promise<boolean>
}

export function messageSink(replies: Replies, address: ReplyAddress, show: ShowDelta): ReplySink {
  const { user_id, conversation_id: entity_id, message_id, run_id } = address
  return {
    extend: (offset, text) => replies.extend(address, { offset, text }),
    finish: (ending) => replies.finish(address, ending),
    delta: (offset, text, thinking_ms) =>
      show(user_id, 'conversations', { entity_id, message_id, run_id, offset, text, thinking_ms }),
    isOpen: () => replies.isOpen(address),
  }
}

export function runSink(runs: Runs, user_id: string, run_id: string, show: ShowDelta): ReplySink {
  return {
    extend: (offset, text) => runs.extend(user_id, run_id, { offset, text }),
    finish: (ending) => runs.finish(user_id, run_id, ending),
    delta: (offset, text, thinking_ms) =>
      show(user_id, 'agents', { entity_id: run_id, run_id, offset, text, thinking_ms }),
    isOpen: () => runs.isOpen(user_id, run_id),
  }
}

/** One after the other. All are finished, also when one of them is gone. */
export function sequentialSink(sinks: readonly ReplySink[]): ReplySink {
  return {
    async extend(offset, text) {
      for (const sink of sinks) await sink.extend(offset, text)
    },
    async finish(ending) {
      for (const sink of sinks)
        await sink.finish(ending).catch((error: unknown) => {
          if (!(error instanceof Fault) || error.code !== 'not_found') throw error
        })
    },
    delta: (...piece) => sinks.forEach((sink) => sink.delta(...piece)),
    isOpen: async () => (await Promise.all(sinks.map((sink) => sink.isOpen()))).every(Boolean),
  }
}
