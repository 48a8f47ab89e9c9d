// The socket protocol around changes: handshake, catch-up, heads, presence and acks. It is the same
// in all namespaces.
import * as z from 'zod'
import { WireChange } from './change.ts'
import { Cursor, Epoch, Seq, Version } from './cursor.ts'
import { Problem } from './problem.ts'
import { limits } from './limits.ts'
import { Uuid } from './scalars.ts'

/**
 * `auth` of the handshake. `since`: the device's cursor. `user_id`: the user whose state the device
 * holds; the server refuses it if the cookie is another user's.
 */
export const Handshake = z
  .object({ protocol: z.int(), since: Cursor.optional(), user_id: Uuid.optional() })
  .meta({ id: 'Handshake' })
export type Handshake = z.infer<typeof Handshake>

/**
 * All changes in (from, to]. `more`: request the rest, or wait for the next `sync`, until `to` is
 * the head. `reset`: the cursor is of another epoch, above the head or older than retention; load
 * over HTTP and continue from the `seq` of that response.
 */
export const Sync = z
  .object({
    epoch: Epoch,
    from: Seq,
    to: Seq,
    changes: z.array(WireChange),
    more: z.boolean(),
    reset: z.boolean(),
  })
  .meta({ id: 'Sync' })
export type Sync = z.infer<typeof Sync>

export const Head = z.object({ epoch: Epoch, seq: Seq }).meta({ id: 'Head' })
export type Head = z.infer<typeof Head>

/**
 * Streamed text between durable changes. It may get lost, and durable text replaces it. A run
 * without a conversation has no `message_id`. With `thinking_ms`, and then without text, the model
 * has been thinking for that long, and no text follows `offset` yet.
 */
export const Delta = z
  .object({
    entity_id: Uuid,
    message_id: Uuid.optional(),
    run_id: Uuid,
    offset: z.int().min(0),
    text: z.string(),
    thinking_ms: z.int().min(0).optional(),
  })
  .meta({ id: 'Delta' })
export type Delta = z.infer<typeof Delta>

export const Presence = z
  .object({
    session_id: Uuid,
    connection_id: z.string(),
    device: z.string(),
    online: z.boolean(),
    viewing: Uuid.nullable().optional(),
  })
  .meta({ id: 'Presence' })
export type Presence = z.infer<typeof Presence>

export const Draining = z.object({ reconnect_within_ms: z.int() }).meta({ id: 'Draining' })
export type Draining = z.infer<typeof Draining>

/** Both ends are included; at most 500 changes. */
export const RangeRequest = z
  .strictObject({ from: z.int().min(1), to: z.int().min(1) })
  .refine(
    ({ from, to }) => to >= from && to - from < limits.rangeMax,
    `must span 1 to ${limits.rangeMax} changes`,
  )
export type RangeRequest = z.infer<typeof RangeRequest>
export const RangeAnswer = z.object({
  changes: z.array(WireChange),
  more: z.boolean(),
  reset: z.boolean(),
})
export type RangeAnswer = z.infer<typeof RangeAnswer>

/**
 * The answer to a command. `seq` is the position of the command's change (of the first one, if it
 * was repeated), `version` the version of the entity after that change.
 */
export const Accepted = z.object({
  ok: z.literal(true),
  data: z.unknown(),
  seq: Seq.optional(),
  version: Version.optional(),
})
export const Ack = z.union([Accepted, z.object({ ok: z.literal(false), error: Problem })])
export type Ack<Data = unknown> =
  { ok: true; data: Data; seq?: number; version?: number } | { ok: false; error: Problem }

/** Events from the server. */
export interface ServerEvents {
  sync: (payload: Sync) => void
  change: (payload: WireChange) => void
  head: (payload: Head) => void
  delta: (payload: Delta) => void
  presence: (payload: Presence) => void
  draining: (payload: Draining) => void
}
