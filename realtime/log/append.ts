// The one way into the log: decide against the head, insert behind it. The insert is the compare-and-swap, so a stale head only costs
// a retry; a refusal or a no-op, which no insert would check, counts only after a majority read and a look-up of the `mutation_id`.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Decision, DecisionContext } from '@lockstep/protocol/change'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { Topic } from '@lockstep/protocol/topics'
import { findMutation, insertChange, topicKey, type ChangeDocument } from '../store/changes.ts'
import type { Database } from '../store/database.ts'
import { toEntry, type Caller } from './entry.ts'
import { recordAppended, needsNewerServer, type TopicHead, type HeadCache } from './head-cache.ts'

/** How long a command may wait for its turn, lose against others, or wait for a winner that no majority has yet (ms, from its arrival). */
const DEADLINE_MS = 10_000
const MAX_BACKOFF_MS = 200

export interface Command<State> {
  caller: Caller
  topic: Topic
  mutation_id: string
  fingerprint: string
  /** The state at `hot.seq`: documents plus the tail that they don't follow yet. */
  load: (hot: TopicHead) => Promise<State>
  /** May throw a Fault; undefined: nothing would change. */
  decide: (state: State, context: DecisionContext) => Decision | undefined
}

/** `appended`: a new entry. `repeated`: the entry that the same command made before. `unchanged`: nothing to do. */
export type Appended<State> =
  | { kind: 'appended'; state: State; entry: ChangeDocument; hot: TopicHead }
  | { kind: 'repeated'; entry: ChangeDocument }
  | { kind: 'unchanged'; state: State; seq: number }

/**
 * Runs inside the topic's queue. Throws the decision's fault, or `unavailable` when the deadline passes or the documents wait for a newer node.
 * @param arrivedAt when the command was queued, by `performance.now()`
 */
export async function append<State>(
  database: Database,
  topics: HeadCache,
  command: Command<State>,
  arrivedAt: number,
): Promise<Appended<State>> {
  const { caller, topic } = command
  const key = topicKey(caller.user_id, topic)
  const isLate = () => performance.now() - arrivedAt > DEADLINE_MS
  if (isLate()) throw tooMany()
  let backoff = 1
  let known = await topics.get(caller.user_id, topic)
  for (;;) {
    const { hot, fresh } = known
    if (hot.hasUnknownOps) throw needsNewerServer()
    // as it is now: a projection that ends meanwhile takes from the tail what a document, read before, doesn't have yet
    const state = await command.load({ ...hot })
    const context = contextOf(hot)
    const decided = attempt(hot, () => command.decide(state, context))
    if (decided.kind !== 'decision') {
      if (!fresh) {
        known = { hot: await topics.refresh(caller.user_id, topic), fresh: true }
        continue
      }
      const first = await firstOutcome(database, command)
      if (first) return first
      if (decided.kind === 'fault') throw decided.fault
      return { kind: 'unchanged', state, seq: hot.seq }
    }
    const position = { topic, epoch: hot.epoch, seq: hot.seq + 1, at: new Date(context.at) }
    const entry = toEntry(caller, position, command, decided.decision)
    const inserted = await insertChange(database, entry).catch((error: unknown) => {
      topics.forget(key) // nobody knows whether it is there: the next command looks
      throw error
    })
    if (inserted) {
      recordAppended(hot, entry)
      return { kind: 'appended', state, entry, hot }
    }
    const first = await firstOutcome(database, command)
    if (first) return first
    if (isLate()) throw tooMany()
    await sleep(Math.random() * backoff)
    backoff = Math.min(backoff * 2, MAX_BACKOFF_MS)
    known = { hot: await topics.refresh(caller.user_id, topic), fresh: true }
  }
}

const tooMany = () =>
  new Fault('unavailable', { detail: 'Too many changes at once: try again', retry_after_ms: 1_000 })

function contextOf(hot: TopicHead): DecisionContext {
  return {
    user_id: hot.user_id,
    at: new Date(Math.max(Date.now(), hot.at)).toISOString(),
    newId: () => newId(),
  }
}

type Attempt =
  { kind: 'decision'; decision: Decision } | { kind: 'nothing' } | { kind: 'fault'; fault: Fault }

function attempt(hot: TopicHead, decide: () => Decision | undefined): Attempt {
  if (hot.closed)
    return {
      kind: 'fault',
      fault: new Fault('unauthenticated', { detail: 'This account is closed' }),
    }
  try {
    const decision = decide()
    return decision ? { kind: 'decision', decision } : { kind: 'nothing' }
  } catch (error) {
    if (error instanceof Fault) return { kind: 'fault', fault: error }
    throw error
  }
}

/** What the same `mutation_id` did before. Throws `invalid` when it was another command. */
async function firstOutcome<State>(
  database: Database,
  { caller, topic, mutation_id, fingerprint }: Command<State>,
): Promise<{ kind: 'repeated'; entry: ChangeDocument } | undefined> {
  const entry = await findMutation(database, caller.user_id, topic, mutation_id)
  if (!entry) return undefined
  if (entry.fingerprint === fingerprint) return { kind: 'repeated', entry }
  throw keyReused()
}

/** A `mutation_id` that comes again with another command. */
export function keyReused(): Fault {
  const message = 'was used for another command before'
  return new Fault('invalid', {
    detail: `This mutation_id ${message}`,
    issues: [{ path: 'mutation_id', message }],
  })
}
