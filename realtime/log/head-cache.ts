// What this node knows of the topics in use: the head, and the entries that the projection has not followed yet. A cache only: an
// insert at a stale head is refused by the database, so being wrong costs a retry and never an entry.
import { Fault } from '@lockstep/protocol/errors'
import { isKnownOp } from '@lockstep/protocol/known-change'
import type { Topic } from '@lockstep/protocol/topics'
import { readChangesWithoutBefore, topicKey, type ChangeDocument } from '../store/changes.ts'
import type { Database } from '../store/database.ts'
import { readHead } from '../store/heads.ts'

/** How many topics are remembered; an idle one costs about 200 bytes. */
const REMEMBERED = 20_000

export interface TopicHead {
  readonly key: string
  readonly user_id: string
  readonly topic: Topic
  readonly epoch: string
  /** The head: majority-committed when it was learnt. */
  seq: number
  /** Milliseconds of the newest entry: a later one is never dated earlier. */
  at: number
  applied: number
  /** Entries in (applied, seq], contiguous, without what they replaced. */
  tail: ChangeDocument[]
  closed: boolean
  /** The tail has entries of a newer version: this one knows where the head is, and neither what they did nor what may follow them. */
  readonly hasUnknownOps: boolean
}

export class HeadCache {
  readonly #database: Database
  readonly #topics = new Map<string, TopicHead>()

  constructor(database: Database) {
    this.#database = database
  }

  /** What is remembered, else read. */
  async get(user_id: string, topic: Topic): Promise<{ hot: TopicHead; fresh: boolean }> {
    const key = topicKey(user_id, topic)
    const hot = this.#topics.get(key)
    if (!hot) return { hot: await this.refresh(user_id, topic), fresh: true }
    this.#topics.delete(key)
    this.#topics.set(key, hot) // the map's order is by last use
    return { hot, fresh: false }
  }

  peek(key: string): TopicHead | undefined {
    return this.#topics.get(key)
  }

  forget(key: string): void {
    this.#topics.delete(key)
  }

  /** Reads the head and what is beyond the projection, by majority. Throws `not_found` for a user that doesn't exist. */
  async refresh(user_id: string, topic: Topic): Promise<TopicHead> {
    const key = topicKey(user_id, topic)
    const head = await readHead(this.#database, key)
    if (!head) {
      this.#topics.delete(key)
      throw new Fault('not_found', { detail: 'There is no such user' })
    }
    const tail = await readChangesWithoutBefore(this.#database, key, head.applied).toArray()
    const last = tail.at(-1)
    const hot: TopicHead = {
      key,
      user_id,
      topic,
      epoch: head.epoch,
      seq: last?.seq ?? head.applied,
      at: (last?.at ?? head.at).getTime(),
      applied: head.applied,
      tail,
      closed: head.closed === true || last?.op === 'closed',
      hasUnknownOps: !tail.every(isProjectable),
    }
    // the next look may find that a newer node has projected it
    if (hot.hasUnknownOps) this.#topics.delete(key)
    else this.#remember(hot)
    return hot
  }

  #remember(hot: TopicHead): void {
    this.#topics.delete(hot.key)
    this.#topics.set(hot.key, hot)
    for (const [key, { tail }] of this.#topics) {
      if (this.#topics.size <= REMEMBERED) break
      if (tail.length === 0) this.#topics.delete(key)
    }
  }
}

/** Can this version project the entry? Nothing is projected of an account. */
export const isProjectable = (entry: Pick<ChangeDocument, 'topic' | 'op'>): boolean =>
  entry.topic === 'account' || isKnownOp(entry)

export const needsNewerServer = (): Fault =>
  new Fault('unavailable', {
    detail: 'A newer version of this server has to follow first',
    retry_after_ms: 1_000,
  })

/** An entry was inserted at the head. */
export function recordAppended(hot: TopicHead, entry: ChangeDocument): void {
  hot.seq = entry.seq
  hot.at = entry.at.getTime()
  const { before: _before, ...slim } = entry
  hot.tail.push(slim)
  if (entry.op === 'closed') hot.closed = true
}

/** The projection has followed up to `seq`. */
export function recordProjected(hot: TopicHead, seq: number): void {
  hot.applied = Math.max(hot.applied, seq)
  hot.tail = hot.tail.filter((entry) => entry.seq > hot.applied)
}
