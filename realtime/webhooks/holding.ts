// What the node that holds the lease of webhooks does. It follows the change stream. For each
// change it notes in the database which webhooks must get it, and only then saves its position in
// the stream. The next holder goes on from that position and misses nothing.
//
// If the database has forgotten the position, the stream begins from now. Until what was missed has
// been looked up in the log, nothing newer is noted, because a new cursor begins at the first entry
// that is noted for it.
import { retryUntilDone } from '../concurrency/retry.ts'
import { startTail, type Tail, type tailTimings } from '../feed/tail.ts'
import type { Log } from '../log/log.ts'
import type { Logger } from '../observability/logger.ts'
import { readUnapplied, topicKey } from '../store/changes.ts'
import { isResumable } from '../store/change-stream.ts'
import type { Database } from '../store/database.ts'
import type { ChangeDocument, ResumeToken } from '../store/documents.ts'
import { writeCanary } from '../store/feed.ts'
import { usersWithLogs } from '../store/heads.ts'
import { userIdOf } from '../store/shard-key.ts'
import type { WebhookDocument, WebhookReplayDocument } from '../store/webhook-documents.ts'
import { readPosition, savePosition, type WebhookPosition } from '../store/webhook-lease.ts'
import { openWebhookStream, WEBHOOKS, type WebhookEvent } from '../store/webhook-stream.ts'
import {
  deleteReplay,
  deleteWebhookCursors,
  findReplays,
  findWebhook,
  findWebhooks,
  cursorId,
  noteDue,
  noteReplayed,
  pageOfCursors,
  readMadeSince,
  rewindCursors,
  type DueEntries,
} from '../store/webhooks.ts'
import type { Deliveries } from './deliveries.ts'

/** How much the clocks of nodes may differ where nothing but times tells what was missed (ms). */
const CLOCKS_MS = 5 * 60_000
const [PAGE, USERS] = [500, 100]
const RETRY_MS = 1_000

type SeenEntry = Pick<ChangeDocument, 'user_id' | 'topic' | 'seq' | 'epoch'>

export interface HoldingDeps {
  database: Database
  log: Pick<Log, 'heads'>
  /** The generation of the lease. */
  generation: number
  startDeliveries(webhook: WebhookDocument): Deliveries
  logger: Logger
  tailTimings?: typeof tailTimings
}

export class Holding {
  readonly #deps: HoldingDeps
  readonly #deliveries = new Map<string, Deliveries>()
  /** What was seen and isn't noted yet, by cursor. */
  #due = new Map<string, DueEntries>()
  /** Notes and removals, one after the other. */
  #notes = Promise.resolve()
  #isNoting = false
  /** Resolves when what was missed has been found. */
  #found: Promise<void> = Promise.resolve()
  #findIt: (() => void) | undefined
  /** How often the stream has lost something. */
  #losses = 0
  readonly #stopping = new AbortController()
  #position: WebhookPosition | undefined
  #tail: Tail | undefined
  /** Replays that are being done, or wait for the stream to show their webhook. */
  readonly #replays = new Map<string, WebhookReplayDocument>()
  #replaying = Promise.resolve()

  constructor(deps: HoldingDeps) {
    this.#deps = deps
  }

  get deliveries(): readonly Deliveries[] {
    return [...this.#deliveries.values()]
  }

  async start(): Promise<void> {
    const { database, logger, tailTimings } = this.#deps
    const position = await readPosition(database)
    if (!position) return
    this.#position = position
    const known = new Set(position.webhook_ids)
    for (const webhook of await findWebhooks(database))
      if (known.has(webhook._id)) this.#add(webhook)
    for (const replay of await findReplays(database)) this.#replay(replay)
    if (this.#stopping.signal.aborted) return
    this.#tail = startTail<WebhookEvent>(
      position.token,
      {
        openStream: (after) => openWebhookStream(database, after),
        isResumable,
        writeCanary: () => writeCanary(database, WEBHOOKS),
        deliver: (event) => this.#take(event),
        saveToken: (token) => this.#save(token),
        onStartedFromNow: () => this.#findMissed(),
        onFailure: (reason) => {
          if (reason !== 'resumed') this.#holdBack()
        },
        onReadyChange: () => undefined,
      },
      logger,
      tailTimings,
    )
  }

  /** @param graceMs how long deliveries on their way may take */
  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort()
    this.#findIt?.()
    await this.#tail?.stop()
    await Promise.all(this.deliveries.map((deliveries) => deliveries.stop(graceMs)))
    await this.#notes
    await this.#replaying
  }

  #add(webhook: WebhookDocument): void {
    if (this.#deliveries.has(webhook._id)) return
    this.#deliveries.set(webhook._id, this.#deps.startDeliveries(webhook))
  }

  #take(event: WebhookEvent): void {
    if (event.is === 'changed') this.#see(event.entry)
    else if (event.is === 'replay') this.#replay(event.replay)
    else if (event.is === 'removed') this.#remove(event.webhook_id)
    else {
      this.#add(event.webhook)
      for (const replay of this.#replays.values())
        if (replay.webhook_id === event.webhook._id) this.#begin(replay)
    }
  }

  #see(entry: SeenEntry & { at?: Date }): void {
    for (const { webhook } of this.#deliveries.values()) {
      const isEarlier = entry.at && entry.at.getTime() < webhook.created_at.getTime() - CLOCKS_MS
      if (webhook.topics.includes(entry.topic) && !isEarlier) this.#mark(webhook._id, entry)
    }
  }

  #mark(webhook_id: string, { user_id, topic, seq, epoch }: SeenEntry): void {
    const _id = cursorId(webhook_id, user_id, topic)
    const before = this.#due.get(_id)
    const isSame = before?.epoch === epoch
    const first = isSame ? Math.min(before.first, seq) : seq
    const last = isSame ? Math.max(before.last, seq) : seq
    this.#due.set(_id, { webhook_id, user_id, topic, epoch, first, last })
    if (!this.#isNoting) this.#noteSoon()
  }

  #remove(webhook_id: string): void {
    const deliveries = this.#deliveries.get(webhook_id)
    this.#deliveries.delete(webhook_id)
    void deliveries?.stop()
    this.#notes = this.#notes
      .then(() => deleteWebhookCursors(this.#deps.database, webhook_id))
      .catch((error: unknown) =>
        this.#deps.logger.warn({ err: error }, 'what a webhook has left could not be removed'),
      )
  }

  #noteSoon(): void {
    this.#note().catch((error: unknown) => {
      this.#deps.logger.debug({ err: error }, 'what is due could not be noted')
      setTimeout(() => this.#noteSoon(), RETRY_MS).unref()
    })
  }

  /** Writes down what is due. Rejects if the database doesn't take it; it is kept then. */
  #note(): Promise<void> {
    this.#isNoting = true
    const noted = this.#notes.then(() => this.#found).then(() => this.#noteAll())
    this.#notes = noted.catch(() => undefined)
    return noted
  }

  async #noteAll(): Promise<void> {
    try {
      while (this.#due.size > 0 && !this.#stopping.signal.aborted) await this.#noteOnce()
    } finally {
      this.#isNoting = false
    }
  }

  async #noteOnce(): Promise<void> {
    const due = this.#due
    this.#due = new Map()
    const all = [...due.values()].filter(({ webhook_id }) => this.#deliveries.has(webhook_id))
    try {
      for (let from = 0; from < all.length; from += PAGE)
        await noteDue(this.#deps.database, all.slice(from, from + PAGE), new Date())
    } catch (error) {
      for (const { webhook_id, first, last, ...entry } of [...this.#due.values(), ...all])
        for (const seq of [first, last]) this.#mark(webhook_id, { ...entry, seq })
      throw error
    }
    for (const id of new Set(all.map(({ webhook_id }) => webhook_id)))
      this.#deliveries.get(id)?.wake()
  }

  async #save(token: ResumeToken): Promise<void> {
    const { database, generation } = this.#deps
    const webhook_ids = [...this.#deliveries.keys()]
    await this.#note()
    if (this.#due.size > 0) return // the node is stopping
    await savePosition(database, { token, webhook_ids, at: new Date() }, generation)
  }

  /** From now on nothing is noted until `#findMissed` is done. */
  #holdBack(): void {
    this.#losses++
    if (this.#findIt) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#found = promise
    this.#findIt = resolve
  }

  #findMissed(): void {
    this.#holdBack()
    const losses = this.#losses
    const { logger } = this.#deps
    void retryUntilDone('find what webhooks have missed', () => this.#lookBack(), {
      logger,
      signal: this.#stopping.signal,
    }).then(() => {
      if (losses !== this.#losses) return // the stream was lost again meanwhile
      this.#findIt?.()
      this.#findIt = undefined
    })
  }

  /** The stream was lost. What it would have shown is what the log has and no cursor. */
  async #lookBack(): Promise<void> {
    const { database } = this.#deps
    for (const webhook of await findWebhooks(database)) this.#add(webhook)
    for (let after = ''; ;) {
      const cursors = await pageOfCursors(database, after, PAGE)
      const byKey = Map.groupBy(cursors, ({ user_id, topic }) => topicKey(user_id, topic))
      const lowest = [...byKey].map(([_id, group]) => ({
        _id,
        applied: Math.min(...group.map(({ delivered }) => delivered)),
      }))
      for (const { key, seq } of await readUnapplied(database, lowest))
        for (const { webhook_id, user_id, topic, epoch } of byKey.get(key)!)
          this.#mark(webhook_id, { user_id, topic, epoch, seq })
      const last = cursors.at(-1)
      if (!last) break
      after = last._id
    }
    const since = (this.#position?.at.getTime() ?? 0) - CLOCKS_MS
    for await (const entry of readMadeSince(database, new Date(since))) this.#see(entry)
  }

  #replay(replay: WebhookReplayDocument): void {
    if (this.#replays.has(replay._id)) return
    this.#replays.set(replay._id, replay)
    this.#begin(replay)
  }

  #begin(replay: WebhookReplayDocument): void {
    const { logger } = this.#deps
    const signal = this.#stopping.signal
    this.#replaying = this.#replaying.then(() =>
      retryUntilDone('begin a replay', () => this.#doReplay(replay), { logger, signal }),
    )
  }

  async #doReplay(replay: WebhookReplayDocument): Promise<void> {
    const { database } = this.#deps
    const { _id, webhook_id, user_id } = replay
    if (!this.#replays.has(_id)) return
    const deliveries = this.#deliveries.get(webhook_id)
    if (!deliveries) {
      // the stream hasn't shown it yet, or it is gone
      if (await findWebhook(database, webhook_id)) return
    } else if (user_id !== undefined) await this.#rewind(deliveries, replay, [user_id])
    else
      for (let { after } = replay; !this.#stopping.signal.aborted;) {
        const users = await usersWithLogs(database, after, USERS)
        const last = users.at(-1)
        if (last === undefined) break
        await this.#rewind(deliveries, replay, users)
        await noteReplayed(database, _id, last)
        after = last
      }
    if (this.#stopping.signal.aborted) return
    this.#replays.delete(_id)
    await deleteReplay(database, _id)
  }

  async #rewind(
    deliveries: Deliveries,
    { seq }: WebhookReplayDocument,
    users: readonly string[],
  ): Promise<void> {
    const { database, log } = this.#deps
    const { _id: webhook_id, topics } = deliveries.webhook
    const keys = users.flatMap((user_id) => topics.map((topic) => topicKey(user_id, topic)))
    const due: DueEntries[] = []
    for (const [key, head] of await log.heads(keys)) {
      const first = Math.max(1, seq)
      if (head.seq < first) continue
      const topic = topics.find((each) => key.endsWith(`:${each}`))!
      const { epoch, seq: last } = head
      due.push({ webhook_id, user_id: userIdOf(key), topic, epoch, first, last })
    }
    await rewindCursors(database, due, new Date())
    deliveries.wake()
  }
}
