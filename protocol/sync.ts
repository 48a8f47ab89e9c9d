// The socket protocol around changes: handshake, catch-up, heads, presence and acks. It is the same
// in all namespaces.
import * as z from 'zod'
import { WireChange } from './change.ts'
import type { DraftNotice } from './drafts.ts'
import { Cursor, Epoch, Seq, Version } from './cursor.ts'
import { Problem } from './problem.ts'
import { Produced } from './produce.ts'
import * as limits from './limit-values.ts'
import { Part } from './parts.ts'
import { Uuid } from './scalars.ts'
import type { Trace } from './traces.ts'

/**
 * `auth` of the handshake. `since`: the device's cursor. `user_id`: the user whose state the device
 * holds; the server refuses it if the cookie is another user's.
 */
export const Handshake = z
  .object({
    protocol: z.int().describe('The version of the protocol that the device speaks'),
    since: Cursor.optional().describe('Where the device stands; absent to start at the head'),
    user_id: Uuid.optional().describe('The user whose state the device holds'),
    token: z.string().max(100).optional().describe('A token, in place of the cookie'),
  })
  .meta({ id: 'Handshake' })
export type Handshake = z.infer<typeof Handshake>

const changes = z.array(WireChange).describe('The changes, in order of `seq`')
const more = z.boolean().describe('Whether the rest has to be requested')
const reset = z
  .boolean()
  .describe('Whether the device must load over HTTP, because the log can’t be followed from there')

/**
 * All changes in (from, to]. `more`: request the rest, or wait for the next `sync`, until `to` is
 * the head. `reset`: the cursor is of another epoch, above the head or older than retention; load
 * over HTTP and continue from the `seq` of that response.
 */
export const Sync = z
  .object({
    epoch: Epoch,
    from: Seq.describe('The change before the first one of `changes`'),
    to: Seq.describe('The head, when the answer was made'),
    changes,
    more,
    reset,
  })
  .meta({ id: 'Sync' })
export type Sync = z.infer<typeof Sync>

export const Head = z
  .object({ epoch: Epoch, seq: Seq.describe('The newest change of the topic') })
  .meta({ id: 'Head' })
export type Head = z.infer<typeof Head>

/**
 * Streamed text between durable changes. It may get lost, and durable text replaces it. A run
 * without a conversation has no `message_id`. With `thinking_ms` and without text, the model has
 * been thinking for that long, and no text follows `offset` yet. Text with `thinking_ms` is that of
 * the reasoning part `part_id`, so that devices that don't know parts take it for no answer.
 */
export const Delta = z
  .object({
    entity_id: Uuid.describe('The conversation; of a run without one, the run'),
    message_id: Uuid.optional().describe('The message that is being written'),
    run_id: Uuid.describe('The run that writes'),
    offset: z.int().min(0).describe('Where `text` begins, in UTF-16 units'),
    text: z.string().describe('The new text'),
    thinking_ms: z.int().min(0).optional().describe('How long the model has been thinking'),
    part_id: Part.options[0].shape.id
      .optional()
      .describe('The part in which `offset` counts; absent for the text of the whole message'),
  })
  .meta({ id: 'Delta' })
export type Delta = z.infer<typeof Delta>

export const Presence = z
  .object({
    session_id: Uuid.describe('The session of the device'),
    connection_id: z.string().describe('Names the connection while it lasts'),
    device: z.string().describe('A readable name of the browser or program'),
    online: z.boolean().describe('Whether the connection has come or gone'),
    viewing: Uuid.nullable().optional().describe('The conversation that the device shows'),
  })
  .meta({ id: 'Presence' })
export type Presence = z.infer<typeof Presence>

export const Draining = z
  .object({
    reconnect_within_ms: z.int().describe('The time within which to connect to another node'),
  })
  .meta({ id: 'Draining' })
export type Draining = z.infer<typeof Draining>

/** Both ends are included; at most 500 changes. */
export const RangeRequest = z
  .strictObject({
    from: z.int().min(1).describe('The first `seq`'),
    to: z.int().min(1).describe('The last `seq`, included'),
  })
  .refine(
    ({ from, to }) => to >= from && to - from < limits.rangeMax,
    `must span 1 to ${limits.rangeMax} changes`,
  )
export type RangeRequest = z.infer<typeof RangeRequest>
export const RangeAnswer = z.object({ changes, more, reset }).meta({ id: 'RangeAnswer' })
export type RangeAnswer = z.infer<typeof RangeAnswer>

const position = {
  seq: Seq.describe('The change that the command made, the first time it came'),
  version: Version.describe('The version of the entity after that change'),
}
/** The ack of a request that isn't logged, with this `data`. */
export const requestAckOf = (data: z.ZodType) =>
  z.object({ ok: z.literal(true).describe('The request was done'), data })
/** The ack of a command with this `data`. After a purge it has nothing `beside` it. */
export const commandAckOf = (data: z.ZodType, beside: z.ZodObject = z.object({})) =>
  requestAckOf(data).extend({ ...position, ...beside.partial().shape })
/** The ack of any request. */
export const Accepted = requestAckOf(
  z.unknown().describe('As the ack of the command has it'),
).extend(z.object({ ...position, ...Produced.shape }).partial().shape)
export type Accepted = z.infer<typeof Accepted>
export const Refused = z
  .object({
    ok: z.literal(false).describe('The request was refused'),
    error: Problem.describe('Why'),
  })
  .meta({ id: 'Refused' })
export type Ack<Data = unknown> =
  (Omit<Accepted, 'data'> & { data: Data }) | z.infer<typeof Refused>

/** Events from the server. */
export interface ServerEvents {
  sync: (payload: Sync) => void
  change: (payload: WireChange) => void
  head: (payload: Head) => void
  delta: (payload: Delta) => void
  presence: (payload: Presence) => void
  draft: (payload: DraftNotice) => void
  trace: (payload: Trace) => void
  draining: (payload: Draining) => void
}
