// The deliveries to one webhook, on the node that holds the lease. The invariant: the changes of a
// user's topic are sent one after the other, and a cursor moves past a change only when the
// receiver has taken it. So whatever dies, the next attempt begins with the first change that
// wasn't noted.
//
// The cursors in the database are the queue. In memory are only those that are on their way, so a
// receiver that is away for a day costs nothing but their documents.
import type { WebhookDelivery } from '@lockstep/protocol/webhooks'
import { ByteBudget } from '../concurrency/byte-budget.ts'
import { toChange } from '../log/entry.ts'
import type { Logger } from '../observability/logger.ts'
import { readChangesWithoutBefore, topicKey } from '../store/changes.ts'
import type { Database } from '../store/database.ts'
import type { ChangeDocument } from '../store/documents.ts'
import type { WebhookCursorDocument, WebhookDocument } from '../store/webhook-documents.ts'
import {
  deleteCursor,
  failingSince,
  findDueCursors,
  findWebhook,
  hurryCursors,
  isClosed,
  nextDue,
  noteDelivered,
  noteTurn,
  postpone,
  readSizes,
  updateWebhook,
  type EntrySize,
} from '../store/webhooks.ts'
import { DeliveryError, type Poster } from './post.ts'
import { waitAfter, type WebhookSettings } from './settings.ts'

/** How many changes of a topic are sent before another one has its turn, and for how long. */
const TURN = { changes: 25, ms: 2_000 } as const
/** How many entries are read together, and their bytes; a larger one is read alone. */
const GROUP = { entries: 16, bytes: 128 * 1024 } as const
/** While one turn lasts, its progress is saved this often (ms). */
const SAVE_MS = 250
/** After so many failures without a success, retries are this far apart (ms). */
const DOWN = { failures: 20, apartMs: 100 } as const
/** How the webhook fares is saved this often, and read again while nothing happens (ms). */
const STATUS_MS = 1_000
const IDLE_MS = 30_000

export interface DeliveriesDeps {
  database: Database
  webhook: WebhookDocument
  /** Opens the webhook's secret. */
  openPoster(webhook: WebhookDocument): Promise<Poster>
  /** Whether this node still holds the lease. */
  isHolder(): boolean
  /** Is told of each attempt. */
  attempted(result: 'delivered' | 'failed'): void
  settings: WebhookSettings
  logger: Logger
  now: () => number
}

export class Deliveries {
  readonly #deps: DeliveriesDeps
  readonly #budget: ByteBudget
  readonly #stopping = new AbortController()
  /** The deliveries on their way, by cursor. */
  readonly #running = new Map<string, { isRetry: boolean; ends: Promise<void> }>()
  /** The cursors whose turn has ended since the last look: what was read of them is old. */
  #ended = new Set<string>()
  #woken = Promise.withResolvers<void>()
  #isStopped = false
  #poster: Promise<Poster> | undefined
  readonly #loop: Promise<void>
  #failuresInARow = 0
  /** Since when nothing has been taken; undefined after a success. */
  #downSince: number | undefined
  #mayRetryAt = 0
  #reportedAt = -Infinity
  #lastReason: string | undefined
  #news: Partial<Pick<WebhookDocument, 'delivered_at' | 'last_error'>> = {}
  #newsTimer: NodeJS.Timeout | undefined

  constructor(deps: DeliveriesDeps) {
    this.#deps = deps
    this.#budget = new ByteBudget(deps.settings.bytes)
    this.#loop = this.#run()
  }

  get webhook(): WebhookDocument {
    return this.#deps.webhook
  }

  /** Something is due. */
  wake(): void {
    this.#woken.resolve()
  }

  /** @param graceMs how long what is on its way may take to end by itself */
  async stop(graceMs = 0): Promise<void> {
    this.#isStopped = true
    this.wake()
    const timer = setTimeout(() => this.#stopping.abort(), graceMs)
    await this.#loop
    await Promise.all([...this.#running.values()].map(({ ends }) => ends))
    clearTimeout(timer)
    clearTimeout(this.#newsTimer)
    await this.#saveNews()
    await this.#poster?.then(
      (poster) => poster.close(),
      () => undefined,
    )
  }

  /**
   * Tells the operator of a webhook that has failed for a day.
   * @returns since when the webhook has been failing, if it is
   */
  async report(): Promise<Date | undefined> {
    const { database, webhook, settings, logger, now } = this.#deps
    const since = await failingSince(database, webhook._id)
    const at = now()
    // a clock that was wrong when an attempt failed must not keep it waiting
    const latest = new Date(at + Math.max(settings.rareMs, settings.retryMs[1]))
    const times = { after: latest, now: new Date(at) }
    if (await hurryCursors(database, webhook._id, times)) this.wake()
    const isLong = since && at - since.getTime() >= settings.rareAfterMs
    if (isLong && at - this.#reportedAt >= settings.reportMs) {
      this.#reportedAt = at
      const reason = this.#lastReason ?? webhook.last_error?.reason
      logger.error(
        { since, reason },
        'a webhook has not taken changes for a day: they wait, and are tried once an hour; repair or remove it',
      )
    }
    return since
  }

  async #run(): Promise<void> {
    const { database, webhook, isHolder, logger, now } = this.#deps
    let hasBegun = false
    while (!this.#isStopped) {
      let waitMs: number
      this.#woken = Promise.withResolvers()
      try {
        if (!hasBegun) {
          if (!(await findWebhook(database, webhook._id))) return
          this.#downSince = (await failingSince(database, webhook._id))?.getTime()
          await this.report()
          // its secret is sealed anew, also while there is nothing to deliver
          await this.#openPoster().catch(() => undefined)
          hasBegun = true
        }
        waitMs = isHolder() ? await this.#startDue(new Date(now())) : STATUS_MS
      } catch (error) {
        waitMs = STATUS_MS
        logger.debug({ err: error }, 'what is due could not be read')
      }
      await this.#pause(waitMs)
    }
  }

  #pause(ms: number): Promise<void> {
    const timer = setTimeout(() => this.wake(), Math.max(1, ms)).unref()
    return this.#woken.promise.finally(() => clearTimeout(timer))
  }

  /** Starts what is due and has a slot. Returns how long to wait for more (ms). */
  async #startDue(now: Date): Promise<number> {
    const { database, webhook, settings } = this.#deps
    const find = async (failing: boolean, slots: number) => {
      if (slots <= 0) return []
      this.#ended = new Set()
      const limit = this.#running.size + slots
      const due = await findDueCursors(database, { webhook_id: webhook._id, failing, now, limit })
      const isFree = ({ _id }: WebhookCursorDocument) =>
        !this.#running.has(_id) && !this.#ended.has(_id)
      return due.filter(isFree).slice(0, slots)
    }
    const free = () => settings.concurrency - this.#running.size
    for (const cursor of await find(false, free())) this.#start(cursor)
    const retrying = [...this.#running.values()].filter(({ isRetry }) => isRetry).length
    const retries = Math.min(free(), settings.retrying - retrying)
    if (retries <= 0) return IDLE_MS
    const isDown = this.#failuresInARow >= DOWN.failures
    const pauseMs = this.#mayRetryAt - performance.now()
    if (isDown && pauseMs > 0) return pauseMs
    const retried = await find(true, isDown ? 1 : retries)
    for (const cursor of retried) this.#start(cursor)
    if (isDown && retried.length > 0) {
      this.#mayRetryAt = performance.now() + DOWN.apartMs
      return DOWN.apartMs
    }
    const next = await nextDue(database, webhook._id, now)
    return next ? Math.min(IDLE_MS, next.getTime() - now.getTime()) : IDLE_MS
  }

  #start(cursor: WebhookCursorDocument): void {
    const { _id, failing } = cursor
    const ends = this.#deliver(cursor)
      .catch((error: unknown) =>
        this.#deps.logger.debug({ err: error }, 'a delivery could not be noted'),
      )
      .finally(() => {
        this.#running.delete(_id)
        this.#ended.add(_id)
        this.wake()
      })
    this.#running.set(_id, { isRetry: failing, ends })
  }

  async #deliver(cursor: WebhookCursorDocument): Promise<void> {
    const { database, now } = this.#deps
    const { user_id, topic } = cursor
    const turn = new Turn(cursor)
    while (turn.goesOn() && this.#mayGoOn()) {
      const after = turn.delivered
      const sizes = await readSizes(database, user_id, topic, { after, limit: GROUP.entries })
      if (sizes.length === 0) {
        if (!(await this.#isComplete(turn))) return
        break
      }
      const group = firstGroup(sizes)
      const goesOn = await this.#budget.hold(group.bytes, async () => {
        const { last: upTo, count: limit } = group
        const key = topicKey(user_id, topic)
        const read = readChangesWithoutBefore(database, key, after, { upTo, limit })
        return this.#send(turn, await read.toArray())
      })
      if (!goesOn) return
    }
    if (this.#mayGoOn()) await noteTurn(database, turn.position, new Date(now()))
  }

  #mayGoOn(): boolean {
    return !this.#isStopped && this.#deps.isHolder()
  }

  /** Sends entries in order. False: the turn is over, and noted. */
  async #send(turn: Turn, entries: readonly ChangeDocument[]): Promise<boolean> {
    const { database, now } = this.#deps
    for (const entry of entries) {
      if (!this.#mayGoOn()) {
        await noteDelivered(database, turn.position)
        return false
      }
      try {
        await (await this.#openPoster()).post(bodyOf(entry), this.#stopping.signal)
      } catch (error) {
        await this.#failed(turn, error)
        return false
      }
      turn.took(entry.seq)
      await this.#succeeded()
      if (entry.op === 'closed') {
        await deleteCursor(database, turn.position)
        return false
      }
      if (turn.isSaveDue() && !(await noteDelivered(database, turn.position))) return false
    }
    this.#tell({ delivered_at: new Date(now()) })
    return true
  }

  #openPoster(): Promise<Poster> {
    const { openPoster, webhook } = this.#deps
    this.#poster ??= openPoster(webhook).catch((error: unknown) => {
      this.#poster = undefined
      throw error
    })
    return this.#poster
  }

  /** False if entries are missing that were seen: the cursor is gone or waits. */
  async #isComplete(turn: Turn): Promise<boolean> {
    const { database } = this.#deps
    const { seen, user_id, topic } = turn.cursor
    if (seen <= turn.delivered) return true
    // their content is gone with the account
    if (await isClosed(database, user_id, topic)) await deleteCursor(database, turn.position)
    else await this.#failed(turn, new DeliveryError('the change can’t be read yet'))
    return false
  }

  async #succeeded(): Promise<void> {
    const { database, webhook, settings, logger, now, attempted } = this.#deps
    attempted('delivered')
    const at = now()
    const downMs = this.#downSince === undefined ? 0 : at - this.#downSince
    if (this.#failuresInARow >= DOWN.failures || downMs > settings.retryMs[1])
      logger.info({ downMs }, 'a webhook takes changes again')
    this.#failuresInARow = 0
    this.#downSince = undefined
    // it was away for longer than any retry waits: what waits needn't wait for its own turn
    if (downMs > settings.retryMs[1]) {
      const time = new Date(at)
      await hurryCursors(database, webhook._id, { after: time, now: time })
    }
  }

  async #failed(turn: Turn, error: unknown): Promise<void> {
    const { database, settings, logger, now, attempted } = this.#deps
    if (this.#stopping.signal.aborted) {
      await noteDelivered(database, turn.position)
      return
    }
    if (!(error instanceof DeliveryError)) throw error
    attempted('failed')
    const at = now()
    this.#downSince ??= at
    this.#failuresInARow++
    const { tries, failing_since = new Date(at) } = turn.failures
    const failingMs = at - failing_since.getTime()
    const due_at = new Date(at + waitAfter(settings, { tries: tries + 1, failingMs }))
    await postpone(database, turn.position, { tries: tries + 1, failing_since, due_at })
    const reason = error.message
    this.#lastReason = reason
    if (tries === 0 && this.#failuresInARow === 1)
      logger.warn({ reason }, 'a webhook did not take a change: it will be tried again')
    this.#tell({ last_error: { at: new Date(at), reason } })
  }

  /** What a list of webhooks shows of this one. */
  #tell(news: Partial<Pick<WebhookDocument, 'delivered_at' | 'last_error'>>): void {
    this.#news = { ...this.#news, ...news }
    this.#newsTimer ??= setTimeout(() => void this.#saveNews(), STATUS_MS).unref()
  }

  async #saveNews(): Promise<void> {
    const { database, webhook, logger } = this.#deps
    const news = this.#news
    this.#news = {}
    this.#newsTimer = undefined
    if (Object.keys(news).length > 0)
      await updateWebhook(database, webhook._id, news).catch((error: unknown) =>
        logger.debug({ err: error }, 'how a webhook fares could not be noted'),
      )
  }
}

/** What one turn of a cursor has done. */
class Turn {
  readonly cursor: WebhookCursorDocument
  readonly #began = performance.now()
  #savedAt = performance.now()
  #taken = 0
  delivered: number

  constructor(cursor: WebhookCursorDocument) {
    this.cursor = cursor
    this.delivered = cursor.delivered
  }

  get position() {
    const { _id, round } = this.cursor
    return { _id, round, delivered: this.delivered }
  }

  /** The failures in a row, before this one. */
  get failures(): { tries: number; failing_since?: Date } {
    const { tries, failing_since } = this.cursor
    return this.#taken > 0 || !failing_since ? { tries: 0 } : { tries, failing_since }
  }

  took(seq: number): void {
    this.delivered = seq
    this.#taken++
  }

  goesOn(): boolean {
    return this.#taken < TURN.changes && performance.now() - this.#began < TURN.ms
  }

  isSaveDue(): boolean {
    const now = performance.now()
    if (now - this.#savedAt < SAVE_MS) return false
    this.#savedAt = now
    return true
  }
}

/** The entries that are read together: at least one. */
function firstGroup(sizes: readonly EntrySize[]): { last: number; count: number; bytes: number } {
  const group = { last: sizes[0]!.seq, count: 0, bytes: 0 }
  for (const { seq, content_bytes = 0 } of sizes) {
    if (group.count > 0 && group.bytes + content_bytes > GROUP.bytes) break
    group.last = seq
    group.count++
    group.bytes += content_bytes
  }
  return group
}

const bodyOf = (entry: ChangeDocument): Buffer => {
  const delivery: WebhookDelivery = { user_id: entry.user_id, change: toChange(entry) }
  return Buffer.from(JSON.stringify(delivery))
}
