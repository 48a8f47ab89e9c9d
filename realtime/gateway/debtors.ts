// Who has tried to join in debt, by the cookies of the request. Further connections with the same
// cookies are refused before they are made, which costs less than a join that is refused. Nobody
// else pays for it: many people may share an address.
import type { IncomingMessage } from 'node:http'

const SWEEP_SIZE = 1_000

export class Debtors {
  /** Until when the debt lasts, by the header `Cookie` (ms). */
  readonly #until = new Map<string, number>()

  note({ headers: { cookie } }: IncomingMessage, debtMs: number): void {
    if (cookie === undefined) return
    if (this.#until.size >= SWEEP_SIZE) this.#sweep()
    this.#until.set(cookie, performance.now() + debtMs)
  }

  has({ headers: { cookie } }: IncomingMessage): boolean {
    const until = cookie === undefined ? undefined : this.#until.get(cookie)
    return until !== undefined && until > performance.now()
  }

  #sweep(): void {
    const now = performance.now()
    for (const [cookie, until] of this.#until) if (until <= now) this.#until.delete(cookie)
  }
}
