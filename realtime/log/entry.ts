// An entry of the log: how a decision becomes the document that is inserted, and how that document
// becomes the change that devices see.
import { createHash } from 'node:crypto'
import type { AnyDecision, WireChange } from '@lockstep/protocol/change'
import { Fault } from '@lockstep/protocol/errors'
import { isObject } from '@lockstep/protocol/free-form'
import { limits } from '@lockstep/protocol/limits'
import { firstCharacters } from '@lockstep/protocol/text'
import type { Topic } from '@lockstep/protocol/topics'
import { changeId, storedBytes, topicKey } from '../store/changes.ts'
import type { ChangeDocument } from '../store/documents.ts'
import { jsonBytes } from '../store/json-bytes.ts'
import { packContent, unpackContent } from '../store/packed-parts.ts'
import { bucketOf } from './buckets.ts'

/** Largest entry as it is stored. A document and an event of the change stream may have 16 MB. */
const ENTRY_BYTES = 12 * 1024 * 1024

/** The device in the changes that the server makes by itself. */
export const SERVER_DEVICE = 'Lockstep'

/** Whether the server did something by itself. */
export const isServer = ({ session_id, device }: Pick<Caller, 'session_id' | 'device'>): boolean =>
  session_id === null && device === SERVER_DEVICE

/** Who does something. `session_id` is null for the server, and for programs with a token. */
export interface Caller {
  user_id: string
  session_id: string | null
  device: string
  /** The address of the request; absent for a socket. Only the security log records it. */
  address?: string
}

/** Who asks, and the key under which repeating the command changes nothing. */
export interface CommandContext extends Caller {
  mutation_id: string
  /**
   * The version that the entity must have if the command changes it; otherwise the command is
   * refused as `version_conflict`. A command that would change nothing succeeds with any version.
   */
  if_version?: number
}

/** A hash of a command that doesn't depend on the order of its keys. */
export function fingerprintOf(command: unknown): string {
  const sorted = (_key: string, value: unknown): unknown => {
    if (!isObject(value)) return value
    // a comparison of its own would make the sort slower
    const keys = Object.keys(value).sort()
    return Object.fromEntries(keys.map((key) => [key, value[key]]))
  }
  return createHash('sha256').update(JSON.stringify(command, sorted)).digest('base64url')
}

export interface Position {
  topic: Topic
  epoch: string
  seq: number
  at: Date
  /** The bytes of all entries before. Default: 0. */
  total_bytes?: number
}

/**
 * Throws `too_large` above 4 MB of JSON, or when the stored entry would be too large (numbers and
 * lists take more space there). Something larger has to become several changes. The replaced values
 * may be far larger than the change, since a short edit can replace long messages. Then they are
 * left out, and rewind can't go back beyond this entry.
 */
export function toEntry(
  caller: Caller,
  { topic, epoch, seq, at, total_bytes = 0 }: Position,
  identity: { mutation_id: string; fingerprint: string },
  decision: AnyDecision,
): ChangeDocument {
  if (jsonBytes(decision.data) > limits.changeBytes) throw tooLarge()
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
    ...(namesFields(decision) && { fields: fieldsOf(decision.data) }),
  }
  const envelope = storedBytes(entry)
  const isPacked = topic === 'conversations'
  entry.data = isPacked ? packContent(decision.data) : decision.data
  const bytes = storedBytes(entry)
  if (bytes > ENTRY_BYTES) throw tooLarge()
  const sized = (entry: ChangeDocument, bytes: number): ChangeDocument => ({
    ...entry,
    content_bytes: bytes - envelope,
    total_bytes: total_bytes + bytes,
  })
  if (!decision.before) return sized(entry, bytes)
  const { before } = decision
  const whole = { ...entry, before: isPacked ? packContent(before) : before }
  const all = storedBytes(whole)
  return all > ENTRY_BYTES ? sized(entry, bytes) : sized(whole, all)
}

/**
 * How many names of an update are kept, and how many characters of each. Clients choose the names
 * of preferences.
 */
const [NAMES, NAME_LENGTH] = [100, 100]
/** Fields of an updated conversation that follow from its other fields. */
export const derivedFields: ReadonlySet<string> = new Set([
  'message_count',
  'removed_count',
  'preview',
  'updated_at',
])

/** An update, and the begin or end of a session that follows another one. */
const namesFields = ({ op, data }: AnyDecision): boolean =>
  op === 'updated' || data.replaces !== undefined || data.replaced_by !== undefined

/** The names of what an update writes: fields of a conversation, or keys of a preferences patch. */
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

/** The change that devices see. */
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
  if (data) change.data = topic === 'conversations' ? unpackContent(data) : data
  if (stripped) change.stripped = true
  return change
}
