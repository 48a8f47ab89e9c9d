// An entry of the log: from a decision to the document that is inserted, and to what devices see of it.
import { createHash } from 'node:crypto'
import type { AnyDecision, WireChange } from '@lockstep/protocol/change'
import { Fault } from '@lockstep/protocol/errors'
import { limits } from '@lockstep/protocol/limits'
import { byteLength, firstCharacters } from '@lockstep/protocol/text'
import type { Topic } from '@lockstep/protocol/topics'
import { changeId, storedBytes, topicKey, type ChangeDocument } from '../store/changes.ts'

/** Of an entry as it is stored: below the 16 MB that a document and an event of the stream may have. */
const ENTRY_BYTES = 12 * 1024 * 1024

/** Feeds cover ranges of buckets; their number never changes, as it is stored with each entry. */
export const BUCKETS = 1024

/** On whose behalf something is done. `session_id` is null for the server itself. */
export interface Caller {
  user_id: string
  session_id: string | null
  device: string
}

/** Who asks, and the key under which repeating the command changes nothing. */
export interface CommandContext extends Caller {
  mutation_id: string
}

const bucketOf = (user_id: string): number =>
  createHash('sha256').update(user_id).digest().readUInt32BE() % BUCKETS

/** The identity of a command, whatever the order of its keys. */
export function fingerprintOf(command: unknown): string {
  const sorted = (_key: string, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value
  return createHash('sha256').update(JSON.stringify(command, sorted)).digest('base64url')
}

/** The UUID of something the server does at most once: the same parts give the same `mutation_id` on every node (UUIDv8, RFC 9562). */
export function derivedId(...parts: readonly (string | number)[]): string {
  const hex = createHash('sha256').update(JSON.stringify(parts)).digest('hex')
  const variant = ((parseInt(hex[16]!, 16) & 0x3) | 0x8).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

export interface Position {
  topic: Topic
  epoch: string
  seq: number
  at: Date
}

/**
 * Throws `too_large` above 4 MB, or when its numbers and lists would take too much as they are stored: bigger things have to be several changes.
 * What it replaced may be far more, as a short edit can take the place of long messages: then that is left out, and rewind ends there.
 */
export function toEntry(
  caller: Caller,
  { topic, epoch, seq, at }: Position,
  identity: { mutation_id: string; fingerprint: string },
  decision: AnyDecision,
): ChangeDocument {
  if (byteLength(JSON.stringify(decision.data)) > limits.changeBytes) throw tooLarge()
  const entry: ChangeDocument = {
    _id: changeId(topicKey(caller.user_id, topic), seq),
    user_id: caller.user_id,
    topic,
    seq,
    epoch,
    bucket: bucketOf(caller.user_id),
    at,
    op: decision.op,
    entity_id: decision.entity_id,
    version: decision.version,
    actor: { session_id: caller.session_id, device: caller.device },
    mutation_id: identity.mutation_id,
    fingerprint: identity.fingerprint,
    ...(decision.op === 'updated' && { fields: fieldsOf(decision.data) }),
    data: decision.data,
  }
  if (storedBytes(entry) > ENTRY_BYTES) throw tooLarge()
  if (!decision.before) return entry
  const whole = { ...entry, before: decision.before }
  return storedBytes(whole) > ENTRY_BYTES ? entry : whole
}

/** Names that are kept of an update, and characters of each: those of preferences are the client's. */
const [NAMES, NAME_LENGTH] = [100, 100]
/** Fields of an updated conversation that only follow from the others. */
export const derivedFields: ReadonlySet<string> = new Set([
  'message_count',
  'preview',
  'updated_at',
])

/** What an update writes: the fields of a conversation, or the keys of a preferences patch. */
function fieldsOf({ patch, ...fields }: Record<string, unknown>): string[] {
  const names = patch
    ? Object.keys(patch)
    : Object.keys(fields).filter((name) => !derivedFields.has(name))
  return names.slice(0, NAMES).map((name) => firstCharacters(name, NAME_LENGTH))
}

const tooLarge = () =>
  new Fault('too_large', {
    detail: 'This is too much for one change',
    limit_bytes: limits.changeBytes,
  })

/** What devices see of an entry. */
export function toChange(entry: ChangeDocument): WireChange {
  const { topic, epoch, seq, at, op, entity_id, version, actor, mutation_id, data, stripped } =
    entry
  const change: WireChange = {
    topic,
    epoch,
    seq,
    at: at.toISOString(),
    op,
    entity_id,
    version,
    actor,
    mutation_id,
  }
  if (data) change.data = data
  if (stripped) change.stripped = true
  return change
}
