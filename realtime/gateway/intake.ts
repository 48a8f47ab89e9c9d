// Bounds what the packets of a user's devices cost this node. A packet counts by its bytes as well,
// because decoding it is what it costs, and also if it is refused. A user in debt neither sends nor
// joins until the debt is paid, so a new connection is no new beginning.
import { KeyedTokenBuckets } from '../auth/token-bucket.ts'
import type { GatewaySettings } from './settings.ts'

/** A packet of this size counts as one more. */
const BYTES_OF_EVENT = 32 * 1024
/** What is refused isn't parsed, and costs this part of what is accepted. */
const SHARE_OF_REFUSED = 1 / 2
/**
 * The first small packets that a device is refused in a row cost nearly nothing: devices that wait
 * and then try again together must not use up what they wait for.
 */
const FIRST_REFUSED = { packets: 16, cost: 1 / 16 }
/**
 * Each refusal in a row tells a device to wait twice as long, up to this time (ms), or longer only
 * if the debt takes longer. Otherwise the devices of a user, which all wait for the same moment,
 * would use up together what has become free until then, again and again.
 */
const MOST_DOUBLED_MS = 2_000

/** How many small packets one of this size is worth. */
export const packetCost = (bytes: number): number => 1 + Math.floor(bytes / BYTES_OF_EVENT)

export class Intake {
  readonly #users: KeyedTokenBuckets
  readonly #mostDebt: number

  constructor({ eventsPerUser }: Pick<GatewaySettings, 'eventsPerUser'>) {
    this.#users = new KeyedTokenBuckets(eventsPerUser)
    this.#mostDebt = eventsPerUser.burst
  }

  /**
   * Counts a packet. Returns 0, or how long its sender must wait (ms): it is refused then.
   * @param refused how many packets of this device were refused directly before it
   */
  take(user_id: string, bytes: number, refused: number): number {
    const cost = packetCost(bytes)
    const waitMs = this.#users.take(user_id, cost)
    if (waitMs === 0) return 0
    const isFirst = cost === 1 && refused < FIRST_REFUSED.packets
    this.#users.spend(user_id, isFirst ? FIRST_REFUSED.cost : cost * SHARE_OF_REFUSED)
    return Math.max(waitMs, Math.min(waitMs * 2 ** refused, MOST_DOUBLED_MS))
  }

  /** Returns 0, or how long the user must wait before joining (ms). A refusal counts too. */
  join(user_id: string): number {
    const waitMs = this.#users.take(user_id, 0)
    if (waitMs > 0) this.#users.spend(user_id, 1)
    return waitMs
  }

  /** Whether the user has gone on for so long that refusing is too much work as well. */
  isFlooded(user_id: string): boolean {
    return this.#users.debtOf(user_id) > this.#mostDebt
  }
}
