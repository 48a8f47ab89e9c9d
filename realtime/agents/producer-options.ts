// What a producer is given.
import type { Part } from '@lockstep/protocol/parts'
import type { Logger } from '../observability/logger.ts'
import type { ProviderEvent } from './provider.ts'
import type { ReplyTimings } from './timings.ts'

export type ReplySource = (signal: AbortSignal) => AsyncIterable<ProviderEvent>

export interface ProducerOptions {
  timings: ReplyTimings
  logger: Logger
  /** What the log has of the reply already. */
  begun?: readonly Part[]
}
