// How a reply is asked to end, and what the log then says of it.
import type { Actor } from '@lockstep/protocol/actor'
import type { JsonObject } from '@lockstep/protocol/free-form'
import { reasons, type ReasonCode } from './provider.ts'
import type { ProducedEnding } from './text-sink.ts'

export interface EndRequest {
  status: ProducedEnding['status']
  code?: ReasonCode
  /** Why, in the words of the program that writes the reply. */
  reason?: string
  /** Who has stopped it. */
  by?: Actor
  /** The caller appends the end itself; the producer waits for this promise before it tries to. */
  endedBy?: Promise<unknown>
  /** The reply has ended or may not grow any more: text that isn't durable is dropped. */
  alreadyEnded?: true
}

export const endingOf = (
  { status, code, reason, by }: EndRequest,
  metadata: JsonObject,
): ProducedEnding => ({
  status,
  metadata: {
    ...metadata,
    ...(code && { reason: reasons[code], reason_code: code }),
    ...(reason !== undefined && { reason }),
  },
  by,
})
