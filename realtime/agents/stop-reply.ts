// A reply or a run is stopped from any node, and keeps every word that was shown: its producer writes them down first. Here it is told to;
// elsewhere it reads the request in the log and ends the reply itself. One that is gone, or too slow, is not waited for.
import { setTimeout as pause } from 'node:timers/promises'
import type { JsonObject } from '@lockstep/protocol/free-form'
import type { Outcome, CommandContext } from '../commands/commands.ts'
import { derivedId } from '../log/entry.ts'
import type { Runner, ReplyRef } from './runner.ts'

/** A producer of this node is waited for so long; without its last words the stop goes on (ms). */
const FLUSH_MS = 2_000
/** One of another node: a stop ends within half a second, whoever answers (ms). */
const ANSWER_MS = 300
const LOOK_MS = 20

/** What can be stopped: how it is asked to, whether it still runs, and how it is ended. */
export interface StopSteps<Data> {
  reply: ReplyRef
  /** Appends the request. */
  requestStop(request: CommandContext): Promise<Outcome<Data>>
  isOpen(): Promise<boolean>
  /** Ends it now, with what its producer tells of it; nothing changes when it has ended. */
  end(request: CommandContext, metadata?: JsonObject): Promise<Outcome<Data>>
}

/** Resolves when it has ended. The outcome is of the command's own change: the end, or the request. */
export async function stopReply<Data>(
  runner: Runner,
  request: CommandContext,
  stoppable: StopSteps<Data>,
): Promise<Outcome<Data>> {
  const producer = runner.find(stoppable.reply)
  if (producer) {
    const closer = Promise.withResolvers<void>()
    producer.end({ status: 'stopped', finishedBy: closer.promise })
    await Promise.race([producer.flushed, pause(FLUSH_MS, undefined, { ref: false })])
    return stoppable.end(request, producer.metadata).finally(closer.resolve)
  }
  const { seq, version, changed } = await stoppable.requestStop(request)
  const deadline = performance.now() + ANSWER_MS
  do await pause(LOOK_MS)
  while (performance.now() < deadline && (await stoppable.isOpen()))
  const mutation_id = derivedId('stop', request.mutation_id)
  const { data } = await stoppable.end({ ...request, mutation_id })
  return { data, seq, version, changed }
}
