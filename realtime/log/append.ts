// The one way into the log.
//
//   load the state at the head ─► decide ─► insert at head + 1 ─► keep the state after it
//        ▲                          │            │
//        │                          │            └─ another entry was first
//        │                          └─ refused, or nothing to do
//        └─── refresh the head by a majority read, and try again
//
// The insert is the compare-and-swap, so a stale head only costs a retry. A refusal or a no-op
// inserts nothing, so nothing would show that its head was stale. It counts only after a majority
// read of the head and a look-up of the `mutation_id` (LOG-4).
import { setTimeout as sleep } from 'node:timers/promises'
import type { AnyDecision, DecisionContext, DecisionOf } from '@lockstep/protocol/change'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { Topic } from '@lockstep/protocol/topics'
import { isTurnOver, shareTurn } from '../concurrency/turns.ts'
import { findMutation, isMadeBy, topicKey } from '../store/changes.ts'
import type { Database } from '../store/database.ts'
import type { ChangeDocument } from '../store/documents.ts'
import { fingerprintOf, toChange, toEntry, type CommandContext } from './entry.ts'
import { recordAppended, needsNewerServer, type TopicHead, type HeadCache } from './head-cache.ts'
import type { StorageQuota } from './storage-quota.ts'
import { logTopics, type NeedsOf, type StateCaches, type StateOf } from './topic-table.ts'

/**
 * How long a command may take from its arrival (ms): it waits for its turn, tries again when
 * another node was first, and waits until a majority has the entry that won.
 */
const DEADLINE_MS = 10_000
const MAX_BACKOFF_MS = 200

/** `AnyDecision` tells TypeScript what it can't derive from `DecisionOf<T>` while `T` is open. */
export type Decided<T extends Topic> = DecisionOf<T> & AnyDecision

/** One command on one entity. */
export interface AppendRequest<T extends Topic> {
  context: CommandContext
  topic: T
  entity_id: string
  /**
   * What makes two commands the same: the same `mutation_id` with another identity is `invalid`.
   * Only a hash of it is stored.
   */
  identity: unknown
  /** What the decision has to know besides the entity itself. */
  needs?: NeedsOf[T]
  /**
   * Pure. Returns undefined if nothing would change, and may throw a Fault. It runs again when
   * another entry came first.
   */
  decide: (state: StateOf[T], context: DecisionContext) => Decided<T> | undefined
}

/** What became of a command. */
export interface Appended<T extends Topic> {
  /**
   * `appended`: a new entry. `repeated`: the same command made an entry before. `unchanged`: there
   * was nothing to do.
   */
  kind: 'appended' | 'repeated' | 'unchanged'
  /** The command's entity. For a repeated command, the entity of its first execution. */
  entity_id: string
  /**
   * The state after the command. `appended`: with everything that the command needed. `repeated`:
   * the present state, without what the command needed.
   */
  state: StateOf[T]
  epoch: string
  /**
   * The `seq` of the command's change: of the first one if the command was repeated, of the head if
   * there was nothing to do.
   */
  seq: number
  /** The entity's version after that change. */
  version: number
  /** The data of that change. null: a purge has removed it. undefined: there is no change. */
  data?: ChangeDocument['data']
}

export interface AppendDeps {
  database: Database
  heads: HeadCache
  /** The states at the head that earlier commands have kept. */
  caches: StateCaches
  /** Inserts an entry. False if its `_id` or its `mutation_id` is taken. */
  insert(entry: ChangeDocument): Promise<boolean>
  /** Limits what a user may store. Undefined: there is no limit. */
  storage: StorageQuota | undefined
  /** Is told of each head with a new entry. */
  appended(head: TopicHead): void
}

/**
 * Runs inside the topic's queue. Throws the decision's fault, `invalid` for a `mutation_id` that
 * another command used, or `unavailable` when the deadline passes or only a newer node can go on
 * (LOG-8).
 * @param arrivedAt when the command was queued, by `performance.now()`
 */
export async function append<T extends Topic>(
  { database, heads, caches, insert, storage, appended }: AppendDeps,
  request: AppendRequest<T>,
  arrivedAt: number,
): Promise<Appended<T>> {
  const { context, topic, entity_id, needs = {} } = request
  const { user_id } = context
  const key = topicKey(user_id, topic)
  if (isTurnOver()) await shareTurn()
  const identity = {
    mutation_id: context.mutation_id,
    fingerprint: fingerprintOf(request.identity),
  }
  const { state: topicState } = logTopics[topic]
  const cache = caches[topic]
  const isLate = () => performance.now() - arrivedAt > DEADLINE_MS
  if (isLate()) throw tooManyChanges()
  let backoff = 1
  let known = await heads.get(user_id, topic)
  for (;;) {
    const { head, fresh } = known
    if (head.hasUnknownOps) throw needsNewerServer()
    const kept = cache.get(head, entity_id)
    const state = await topicState.load(database, snapshotOf(head), entity_id, needs, kept)
    // directly before the decision: commands that waited for the same thing all go on in one turn
    if (isTurnOver()) await shareTurn()
    const decisionContext = contextOf(head)
    const attempt = attemptTo(head, () => {
      const decision = request.decide(state, decisionContext)
      if (decision) checkVersion(context, topicState.versionOf(state))
      return decision
    })
    if (attempt.kind !== 'decided') {
      if (!fresh) {
        known = { head: await heads.refresh(user_id, topic), fresh: true }
        continue
      }
      const first = await firstEntry(database, request, identity.fingerprint)
      if (first) return repeated(first)
      if (attempt.kind === 'refused') throw attempt.fault
      const { epoch, seq } = head
      return {
        kind: 'unchanged',
        entity_id,
        state,
        epoch,
        seq,
        version: topicState.versionOf(state),
      }
    }
    const position = {
      topic,
      epoch: head.epoch,
      seq: head.seq + 1,
      at: new Date(decisionContext.at),
      total_bytes: head.total_bytes,
    }
    // the position is that of the state on which the command was decided, whatever comes meanwhile
    if (isTurnOver()) await shareTurn()
    const entry = toEntry(context, position, identity, attempt.decision)
    if (isTurnOver()) await shareTurn()
    const full = await storage?.refusal(head, entry)
    if (full) {
      // this refusal inserts nothing either, so the head must be fresh (LOG-4)
      if (!fresh) {
        known = { head: await heads.refresh(user_id, topic), fresh: true }
        continue
      }
      const first = await firstEntry(database, request, identity.fingerprint)
      if (first) return repeated(first)
      throw full
    }
    const inserted = await insert(entry).catch((error: unknown) => {
      heads.forget(key) // nobody knows whether the entry is there: the next command looks
      throw error
    })
    if (inserted) {
      const after = topicState.apply(state, toChange(entry))
      recordAppended(head, entry)
      keep(head, entry.entity_id, after)
      appended(head)
      if (isTurnOver()) await shareTurn()
      return { kind: 'appended', ...outcomeOf(entry, after) }
    }
    const first = await firstEntry(database, request, identity.fingerprint)
    if (first) return repeated(first)
    if (isLate()) throw tooManyChanges()
    await sleep(Math.random() * backoff)
    backoff = Math.min(backoff * 2, MAX_BACKOFF_MS)
    known = { head: await heads.refresh(user_id, topic), fresh: true }
  }

  /** Must run in the same turn as `recordAppended`, because head and states change together. */
  function keep(head: TopicHead, id: string, state: StateOf[T]): void {
    const kept = topicState.keep?.(state, head)
    if (kept) cache.set(head, id, kept.state, kept.bytes)
    else cache.delete(head, id)
  }

  /**
   * The first entry's entity may differ from this command's: a command that names no entity gets a
   * new id each time.
   */
  async function repeated(entry: ChangeDocument): Promise<Appended<T>> {
    const head = await heads.refresh(user_id, topic)
    if (head.hasUnknownOps) throw needsNewerServer()
    const state = await topicState.load(database, snapshotOf(head), entry.entity_id, {})
    return { kind: 'repeated', ...outcomeOf(entry, state) }
  }
}

const outcomeOf = <State>(
  { entity_id, epoch, seq, version, data }: ChangeDocument,
  state: State,
) => ({ entity_id, state, epoch, seq, version, data })

/**
 * Keeps the present tail for a load. A projection that ends meanwhile replaces the head's tail by a
 * shorter one, but the load may have read documents that still lack the removed entries (LOG-5).
 */
const snapshotOf = ({ user_id, seq, tail }: TopicHead) => ({ user_id, seq, tail })

const tooManyChanges = () =>
  new Fault('unavailable', { detail: 'Too many changes at once: try again', retry_after_ms: 1_000 })

function contextOf(head: TopicHead): DecisionContext {
  return {
    user_id: head.user_id,
    at: new Date(Math.max(Date.now(), head.at)).toISOString(),
    newId: () => newId(),
  }
}

type Attempt<Decision> =
  | { kind: 'decided'; decision: Decision }
  | { kind: 'nothing to do' }
  | { kind: 'refused'; fault: Fault }

function checkVersion({ if_version }: CommandContext, version: number): void {
  if (if_version !== undefined && if_version !== version) throw new Fault('version_conflict')
}

function attemptTo<Decision>(
  head: TopicHead,
  decide: () => Decision | undefined,
): Attempt<Decision> {
  if (head.closed)
    return {
      kind: 'refused',
      fault: new Fault('unauthenticated', { detail: 'This account is closed' }),
    }
  try {
    const decision = decide()
    return decision ? { kind: 'decided', decision } : { kind: 'nothing to do' }
  } catch (error) {
    if (error instanceof Fault) return { kind: 'refused', fault: error }
    throw error
  }
}

/**
 * The entry that the same command made before. Throws `invalid` when another command used its
 * `mutation_id`.
 */
async function firstEntry<T extends Topic>(
  database: Database,
  { context, topic }: AppendRequest<T>,
  fingerprint: string,
): Promise<ChangeDocument | undefined> {
  const entry = await findMutation(database, context.user_id, topic, context.mutation_id)
  if (!entry) return undefined
  if (isMadeBy(database, entry, fingerprint)) return entry
  throw mutationIdReused()
}

/** A `mutation_id` that another command used before. */
export function mutationIdReused(): Fault {
  const message = 'was used for another command before'
  return new Fault('invalid', {
    detail: `This mutation_id ${message}`,
    issues: [{ path: 'mutation_id', message }],
  })
}
