// Bounds what the answers to each user have together, over HTTP and sockets: to make an answer is
// what it costs, read or not.
import { setTimeout as sleep } from 'node:timers/promises'
import { KeyedTokenBuckets, type TokenRate } from './token-bucket.ts'

/** That nobody waits any more is noticed after this time (ms). */
const MAX_WAIT_MS = 1_000

/** An owner is a user, or an address without a sign-in. */
export class AnswerBudget {
  readonly #owners: KeyedTokenBuckets

  /** @param rate bytes */
  constructor(rate: TokenRate) {
    this.#owners = new KeyedTokenBuckets(rate)
  }

  /** Resolves when the answers so far are not too much, or when nobody waits any more. */
  async ready(owner: string, isGone: () => boolean): Promise<void> {
    while (!isGone()) {
      const waitMs = this.#owners.take(owner, 0)
      if (waitMs === 0) return
      await sleep(Math.min(waitMs, MAX_WAIT_MS), undefined, { ref: false })
    }
  }

  count(owner: string, bytes: number): void {
    this.#owners.spend(owner, bytes)
  }

  /** The pieces of an answer that is made while it is read, as slowly as the budget allows. */
  async *paced<T extends string | Uint8Array>(
    owner: string,
    pieces: AsyncIterable<T>,
    isGone: () => boolean,
  ): AsyncGenerator<T> {
    for await (const piece of pieces) {
      this.count(owner, Buffer.byteLength(piece))
      yield piece
      await this.ready(owner, isGone)
    }
  }
}
