// This node's leases on the replies and runs that it produces. One write renews all of them
// together, however many there are. When a renewal shows that a lease belongs to another node now,
// its owner here stops producing. Only the database's clock decides when a lease has expired.
import { newId } from '@lockstep/protocol/ids'
import type { Logger } from '../observability/logger.ts'
import type { Database } from '../store/database.ts'
import type { LeaseDocument } from '../store/documents.ts'
import { dropLease, findHeldLeases, renewLeases, takeLease } from '../store/leases.ts'
import type { ReplyTimings } from './timings.ts'

/**
 * After a failed renewal the next one follows this soon, because the lease may be about to expire
 * (ms).
 */
const RETRY_MS = 500

/** The run that a lease covers, and the message that the run writes, if there is one. */
export type LeaseTarget = Pick<
  LeaseDocument,
  'user_id' | 'run_id' | 'conversation_id' | 'message_id'
>

export interface ReplyLeasesDeps {
  database: Database
  /** The name of this process; no other process ever has it. */
  owner: string
  timings: Pick<ReplyTimings, 'leaseMs' | 'renewMs'>
  logger: Logger
}

export interface ReplyLeases {
  /** Takes a lease and returns its id. The lease isn't renewed before `keep`. */
  take(target: LeaseTarget): Promise<string>
  /**
   * Renews the lease until it is dropped or released. Calls `onLost` once if another node has taken
   * it.
   */
  keep(id: string, onLost: () => void): void
  /** Lets the lease expire, so that another node ends the reply. */
  release(id: string): void
  /**
   * Removes the lease of a reply that has ended. Never rejects: a lease that can't be removed
   * expires, and whoever then claims it finds nothing to end.
   */
  drop(id: string): Promise<void>
  stop(): void
}

export function createReplyLeases(deps: ReplyLeasesDeps): ReplyLeases {
  const { database, owner, timings, logger } = deps
  /** The callbacks of the leases that are being renewed, by lease id. */
  const kept = new Map<string, () => void>()
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  function scheduleRenewal(delayMs: number): void {
    if (stopped || kept.size === 0) return
    timer ??= setTimeout(() => void renewAndReschedule(), delayMs)
  }

  async function renewAndReschedule(): Promise<void> {
    let delayMs = timings.renewMs
    try {
      await renew()
    } catch (error) {
      logger.warn({ err: error, leases: kept.size }, 'could not renew the leases of replies')
      delayMs = RETRY_MS
    }
    timer = undefined
    scheduleRenewal(delayMs)
  }

  async function renew(): Promise<void> {
    const ids = [...kept.keys()]
    const renewed = await renewLeases(database, owner, ids, timings.leaseMs)
    if (renewed === ids.length) return
    const held = await findHeldLeases(database, owner, ids)
    for (const id of ids) if (!held.has(id)) lose(id)
  }

  function lose(id: string): void {
    const onLost = kept.get(id) // undefined if the lease was dropped during the renewal
    kept.delete(id)
    onLost?.()
  }

  return {
    async take(target) {
      const _id = `${target.user_id}:${newId()}`
      await takeLease(database, { _id, ...target, owner }, timings.leaseMs)
      return _id
    },
    keep(id, onLost) {
      kept.set(id, onLost)
      scheduleRenewal(timings.renewMs)
    },
    release(id) {
      kept.delete(id)
    },
    async drop(id) {
      kept.delete(id)
      await dropLease(database, id, owner).catch((error: unknown) =>
        logger.debug({ err: error }, 'could not drop a lease; it will expire'),
      )
    },
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}
