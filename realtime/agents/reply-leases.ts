// This node's leases on what it produces. They are renewed together, one write however many there are; whoever finds that one isn't ours
// any more stops producing. The database's clock alone says when a lease is over.
import { newId } from '@lockstep/protocol/ids'
import type { Logger } from '../observability/logger.ts'
import type { Database } from '../store/database.ts'
import {
  dropLease,
  findHeldLeases,
  renewLeases,
  takeLease,
  type LeaseDocument,
} from '../store/leases.ts'
import type { ReplyTimings } from './timings.ts'

/** After a renewal that failed: the lease may be over soon (ms). */
const RETRY_MS = 500

export type LeaseTarget = Pick<
  LeaseDocument,
  'user_id' | 'run_id' | 'conversation_id' | 'message_id'
>

export class ReplyLeases {
  readonly #database: Database
  readonly #owner: string
  readonly #timings: ReplyTimings
  readonly #logger: Logger
  /** Id -> what to do when it is lost. */
  readonly #held = new Map<string, () => void>()
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  /** @param owner names this process, and no other ever */
  constructor(
    database: Database,
    owner: string,
    { timings, logger }: { timings: ReplyTimings; logger: Logger },
  ) {
    this.#database = database
    this.#owner = owner
    this.#timings = timings
    this.#logger = logger
  }

  /** Takes a lease, not yet renewed. Answers its id. */
  async take(leased: LeaseTarget): Promise<string> {
    const _id = `${leased.user_id}:${newId()}`
    await takeLease(this.#database, { _id, ...leased, owner: this.#owner }, this.#timings.leaseMs)
    return _id
  }

  /** Keeps it until it is dropped or released; `lost` is called once when it turns out to be another's. */
  keep(id: string, lost: () => void): void {
    this.#held.set(id, lost)
    this.#schedule(this.#timings.renewMs)
  }

  /** Leaves it to expire: another node then ends what it was for. */
  release(id: string): void {
    this.#held.delete(id)
  }

  /** What it was for has ended. Should it stay behind, it expires and is found to be for nothing. */
  async drop(id: string): Promise<void> {
    this.#held.delete(id)
    await dropLease(this.#database, id, this.#owner).catch((error: unknown) =>
      this.#logger.debug({ err: error }, 'a lease could not be dropped: it expires'),
    )
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #schedule(delay: number): void {
    if (this.#stopped || this.#held.size === 0) return
    this.#timer ??= setTimeout(() => {
      this.#renew().then(
        () => this.#again(this.#timings.renewMs),
        (error: unknown) => {
          this.#logger.warn(
            { err: error, leases: this.#held.size },
            'leases of replies could not be renewed',
          )
          this.#again(RETRY_MS)
        },
      )
    }, delay)
  }

  #again(delay: number): void {
    this.#timer = undefined
    this.#schedule(delay)
  }

  async #renew(): Promise<void> {
    const ids = [...this.#held.keys()]
    const renewed = await renewLeases(this.#database, this.#owner, ids, this.#timings.leaseMs)
    if (renewed === ids.length) return
    const held = await findHeldLeases(this.#database, this.#owner, ids)
    for (const id of ids) if (!held.has(id)) this.#lose(id)
  }

  /** Dropped meanwhile: nothing to tell. */
  #lose(id: string): void {
    const lost = this.#held.get(id)
    this.#held.delete(id)
    lost?.()
  }
}
