// Repeats a write of a reply until the log has it or refuses it.
import { errors } from '@lockstep/protocol/error-codes'
import { Fault } from '@lockstep/protocol/errors'
import type { Logger } from '../observability/logger.ts'
import type { ReplyTimings } from './timings.ts'

/** `refused`: the reply may not be written any more. */
export type WriteOutcome = 'done' | 'refused' | 'gave up'

export interface PersistOptions {
  timings: Pick<ReplyTimings, 'retryMs' | 'giveUpMs'>
  logger: Logger
  /** Whether another node may write the reply now. */
  isLost: () => boolean
}

/** Gives up when the lease is lost or the deadline has passed. */
export async function persist(
  work: () => Promise<void>,
  { timings, logger, isLost }: PersistOptions,
): Promise<WriteOutcome> {
  const deadline = performance.now() + timings.giveUpMs
  for (let wait = timings.retryMs; ; wait = Math.min(wait * 2, 2_000)) {
    if (isLost()) return 'gave up'
    try {
      await work()
      return 'done'
    } catch (error) {
      if (error instanceof Fault && !errors[error.code].retryable) return 'refused'
      if (performance.now() + wait > deadline) {
        logger.error({ err: error }, 'could not write a reply; another node will end it')
        return 'gave up'
      }
    }
    await new Promise((resolve) => setTimeout(resolve, wait))
  }
}
