// The heads of the topics in use, as far as this node knows them, each with the entries that the
// projection lacks.
//
//   the log:  1 ─────── applied ─────── seq ─ ─ ─ ─ what other nodes have appended since
//             documents │    tail      │  unknown here until the next majority read
//
// The state at the head is therefore the documents with the tail applied. It is only a cache: the
// database rejects an insert at a stale head, so a stale head costs a retry and never loses a
// change.
import { Fault } from '@lockstep/protocol/errors'
import { isKnownOp } from '@lockstep/protocol/known-change'
import { topics, type Topic } from '@lockstep/protocol/topics'
import { readChangesWithoutBefore, topicKey } from '../store/changes.ts'
import type { Database } from '../store/database.ts'
import type { ChangeDocument, HeadDocument } from '../store/documents.ts'
import { createMissingHeads, readHead } from '../store/heads.ts'

/** How many topics are kept. One whose entries are all projected costs about 200 bytes. */
const REMEMBERED = 20_000

export interface TopicHead {
  readonly key: string
  readonly user_id: string
  readonly topic: Topic
  readonly epoch: string
  /** Of the newest entry. It was majority-committed when this node learnt of it. */
  seq: number
  /** When the newest entry was made (ms since 1970). A later entry is never dated earlier. */
  at: number
  /** The documents have followed the log up to this `seq`. */
  applied: number
  /** The bytes of all entries as they were inserted. */
  total_bytes: number
  /** Entries in (applied, seq], contiguous, without `before`. */
  tail: ChangeDocument[]
  closed: boolean
  /**
   * The tail has ops of a newer version. This node can't tell what they did, nor what may follow
   * them (LOG-8).
   */
  readonly hasUnknownOps: boolean
}

export class HeadCache {
  readonly #database: Database
  readonly #heads = new Map<string, TopicHead>()

  constructor(database: Database) {
    this.#database = database
  }

  /** The head from the cache, else from the database: then it is `fresh`. */
  async get(user_id: string, topic: Topic): Promise<{ head: TopicHead; fresh: boolean }> {
    const key = topicKey(user_id, topic)
    const head = this.#heads.get(key)
    if (!head) return { head: await this.refresh(user_id, topic), fresh: true }
    this.#heads.delete(key)
    this.#heads.set(key, head) // the map's order is by last use
    return { head, fresh: false }
  }

  peek(key: string): TopicHead | undefined {
    return this.#heads.get(key)
  }

  forget(key: string): void {
    this.#heads.delete(key)
  }

  /**
   * Reads the head and the entries that aren't projected yet, by majority. Throws `not_found` for a
   * user that doesn't exist.
   */
  async refresh(user_id: string, topic: Topic): Promise<TopicHead> {
    const key = topicKey(user_id, topic)
    const before = this.#heads.get(key)?.seq
    const stored = (await readHead(this.#database, key)) ?? (await this.#missingHead(user_id, key))
    if (!stored) {
      this.#heads.delete(key)
      throw new Fault('not_found', { detail: 'There is no such user' })
    }
    const tail = await readChangesWithoutBefore(this.#database, key, stored.applied).toArray()
    const last = tail.at(-1)
    const seq = last?.seq ?? stored.applied
    const present = this.#heads.get(key)
    // the known head is right, or this node has appended since: the states at it stay valid
    if (present?.epoch === stored.epoch && (present.seq === seq || present.seq !== before)) {
      recordProjected(present, stored.applied)
      this.#remember(present)
      return present
    }
    const head: TopicHead = {
      key,
      user_id,
      topic,
      epoch: stored.epoch,
      seq,
      at: (last?.at ?? stored.at).getTime(),
      applied: stored.applied,
      // an entry of an older version of the server has no bytes
      total_bytes: Math.max(
        stored.total_bytes ?? 0,
        ...tail.map((entry) => entry.total_bytes ?? 0),
      ),
      tail,
      closed: stored.closed === true || last?.op === 'closed',
      hasUnknownOps: !tail.every(isProjectable),
    }
    // not kept: a newer node may have projected these entries by the next look
    if (head.hasUnknownOps) this.#heads.delete(key)
    else this.#remember(head)
    return head
  }

  /** The head of a user who is older than the topic. */
  async #missingHead(user_id: string, key: string): Promise<HeadDocument | null> {
    await createMissingHeads(this.#database, [user_id], topics)
    return readHead(this.#database, key)
  }

  #remember(head: TopicHead): void {
    this.#heads.delete(head.key)
    this.#heads.set(head.key, head)
    for (const [key, { tail }] of this.#heads) {
      if (this.#heads.size <= REMEMBERED) break
      if (tail.length === 0) this.#heads.delete(key)
    }
  }
}

/** Whether this version can project the entry. Entries of topic `account` change no documents. */
export const isProjectable = (entry: Pick<ChangeDocument, 'topic' | 'op'>): boolean =>
  entry.topic === 'account' || isKnownOp(entry)

export const needsNewerServer = (): Fault =>
  new Fault('unavailable', {
    detail: 'A newer version of the server wrote a change and has to process it first',
    retry_after_ms: 1_000,
  })

/** An entry was inserted after the head. */
export function recordAppended(head: TopicHead, entry: ChangeDocument): void {
  head.seq = entry.seq
  head.at = entry.at.getTime()
  head.total_bytes = entry.total_bytes ?? head.total_bytes
  const { before: _before, ...slim } = entry
  head.tail.push(slim)
  if (entry.op === 'closed') head.closed = true
}

/** The documents have followed the log up to `seq`, as every majority read shows. */
export function recordProjected(head: TopicHead, seq: number): void {
  head.applied = Math.max(head.applied, seq)
  head.tail = head.tail.filter((entry) => entry.seq > head.applied)
}
