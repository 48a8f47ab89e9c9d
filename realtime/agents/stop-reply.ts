// Stops a reply or a run from any node, and keeps every word that the devices have been shown: the
// producer writes its text before the end is appended. If the producer runs on this node, it is
// told directly. If it runs elsewhere, this node appends a request to stop, which the producer
// reads from the log and answers by ending the reply itself. A producer that is dead or too slow
// isn't waited for.
import { setTimeout as sleep } from 'node:timers/promises'
import type { JsonObject } from '@lockstep/protocol/free-form'
import type { Outcome } from '../commands/outcome.ts'
import { derivedId } from '../log/derived-id.ts'
import type { CommandContext } from '../log/entry.ts'
import type { ReplyRef, Runner } from './runner.ts'

/**
 * A producer of this node may take this long to write its last text; then the stop goes on without
 * it (ms).
 */
const FLUSH_MS = 2_000
/**
 * A producer of another node may take this long, so that a stop ends within two seconds (ms). It
 * usually ends the reply at once. What a busy one has shown would be lost if it weren't waited for.
 */
const REMOTE_END_MS = 1_500
const POLL_MS = 20

/** How to stop one reply or run. */
export interface StopSteps<Data> {
  reply: ReplyRef
  /** Appends the request to stop. */
  requestStop(context: CommandContext): Promise<Outcome<Data>>
  /** Whether the reply hasn't ended yet. */
  isOpen(): Promise<boolean>
  /** Ends the reply now, with the producer's metadata. Changes nothing if it has ended. */
  end(context: CommandContext, metadata?: JsonObject): Promise<Outcome<Data>>
}

/**
 * Resolves when the reply has ended. `seq` and `version` belong to the command's own change: the
 * end or the request.
 */
export async function stopReply<Data>(
  runner: Runner,
  context: CommandContext,
  steps: StopSteps<Data>,
): Promise<Outcome<Data>> {
  const producer = runner.find(steps.reply)
  if (producer) {
    const ended = Promise.withResolvers<void>()
    producer.end({ status: 'stopped', endedBy: ended.promise })
    await Promise.race([producer.flushed, sleep(FLUSH_MS, undefined, { ref: false })])
    return steps.end(context, producer.metadata).finally(ended.resolve)
  }
  const requested = await steps.requestStop(context)
  const deadline = performance.now() + REMOTE_END_MS
  do await sleep(POLL_MS)
  while (performance.now() < deadline && (await steps.isOpen()))
  const mutation_id = derivedId('stop', context.mutation_id)
  const { data } = await steps.end({ ...context, mutation_id })
  return { ...requested, data }
}
