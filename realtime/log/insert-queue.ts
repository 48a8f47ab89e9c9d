// Sends inserts in batches: while one batch is on its way, the next one collects, and it leaves
// when the first has been answered. If that takes longer than `LATE_MS`, the next batch leaves
// without waiting any longer.
import type { Inserted } from '../store/changes.ts'
import { storedBytes } from '../store/changes.ts'
import type { ChangeDocument } from '../store/documents.ts'

/** Most entries and bytes of a batch. A larger entry travels alone and holds up nobody. */
const [BATCH, BATCH_BYTES] = [500, 256 * 1024]
/** A batch holds back the next one for at most this long (ms). */
const LATE_MS = 20

interface Waiting {
  entry: ChangeDocument
  bytes: number
  done: PromiseWithResolvers<boolean>
}

export class InsertQueue {
  readonly #send: (entries: ChangeDocument[]) => Promise<Inserted[]>
  #waiting: Waiting[] = []
  /** The batch that holds back the next one. */
  #underWay: object | undefined
  #late: NodeJS.Timeout | undefined

  /** @param send inserts entries, each by itself. Never rejects. */
  constructor(send: (entries: ChangeDocument[]) => Promise<Inserted[]>) {
    this.#send = send
  }

  /** False if the entry's `_id` or its `mutation_id` is taken. */
  insert(entry: ChangeDocument): Promise<boolean> {
    const bytes = storedBytes(entry)
    const waiting = { entry, bytes, done: Promise.withResolvers<boolean>() }
    if (bytes > BATCH_BYTES) void this.#insert([waiting])
    else {
      this.#waiting.push(waiting)
      if (!this.#underWay) this.#sendNext()
    }
    return waiting.done.promise
  }

  #sendNext(): void {
    clearTimeout(this.#late)
    this.#underWay = undefined
    const batch = this.#takeBatch()
    if (batch.length === 0) return
    const ticket = (this.#underWay = {})
    this.#late = setTimeout(() => this.#sendNext(), LATE_MS)
    void this.#insert(batch).then(() => {
      if (this.#underWay === ticket) this.#sendNext()
    })
  }

  #takeBatch(): Waiting[] {
    let [count, bytes] = [0, 0]
    while (count < Math.min(this.#waiting.length, BATCH)) {
      bytes += this.#waiting[count]!.bytes
      if (count > 0 && bytes > BATCH_BYTES) break
      count++
    }
    return this.#waiting.splice(0, count)
  }

  async #insert(batch: Waiting[]): Promise<void> {
    const outcomes = await this.#send(batch.map(({ entry }) => entry))
    for (const [index, { done }] of batch.entries()) {
      const outcome = outcomes[index]!
      if (outcome.is === 'uncertain') done.reject(outcome.error)
      else done.resolve(outcome.is === 'inserted')
    }
  }
}
