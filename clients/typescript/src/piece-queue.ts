// The pieces of a reply that a program writes. All of them are kept until the reply ends, because a
// request that is cut begins again.
import type { ProducedPiece } from '@lockstep/protocol/produce'
import { createDeferred } from './deferred.ts'

/** What people read if a program throws. Its own error may have texts that aren't for them. */
const FAILED = 'The program that writes this reply has failed'

export class PieceQueue {
  readonly #pieces: ProducedPiece[] = []
  readonly #iterator: AsyncIterator<ProducedPiece> | Iterator<ProducedPiece>
  #over = false
  #stopped = false
  #come = createDeferred<void>()
  /** What the program has thrown. */
  failure: { error: unknown } | undefined

  /** Begins to read. A program without an end of its own ends with `done`. */
  constructor(source: AsyncIterable<ProducedPiece> | Iterable<ProducedPiece>) {
    this.#iterator =
      Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
    void this.#read()
  }

  async #read(): Promise<void> {
    try {
      while (!this.#over) {
        const { done, value } = await this.#iterator.next()
        if (done) this.#add({ done: true })
        else this.#add(value)
      }
      if (!this.#stopped) await this.#iterator.return?.()
    } catch (error) {
      if (this.#over) return
      this.failure = { error }
      this.#add({ failed: FAILED })
    }
  }

  #add(piece: ProducedPiece): void {
    if (this.#over) return
    this.#pieces.push(piece)
    this.#over = 'done' in piece || 'failed' in piece
    this.#wake()
  }

  #wake(): void {
    this.#come.resolve()
    this.#come = createDeferred<void>()
  }

  /** The pieces from this one on. Waits for one, `withinMs` at most; then there are none. */
  async from(
    index: number,
    { atMost, unitsAtMost, withinMs }: { atMost: number; unitsAtMost?: number; withinMs: number },
  ): Promise<readonly ProducedPiece[]> {
    if (index >= this.#pieces.length && !this.#over) await this.#wait(withinMs)
    const pieces = this.#pieces.slice(index, index + atMost)
    if (unitsAtMost === undefined) return pieces
    let units = 0
    const fits = pieces.findIndex((piece) => (units += JSON.stringify(piece).length) > unitsAtMost)
    return fits === -1 ? pieces : pieces.slice(0, Math.max(1, fits))
  }

  async #wait(ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))
    await Promise.race([this.#come.promise, late])
    clearTimeout(timer)
  }

  /** Whether this is the end of all pieces. */
  isOver(index: number): boolean {
    return this.#over && index >= this.#pieces.length
  }

  /** Asks the program for no more. */
  stop(): void {
    if (this.#stopped) return
    this.#stopped = true
    const isReading = !this.#over
    this.#over = true
    this.#wake()
    if (isReading) void Promise.resolve(this.#iterator.return?.()).catch(() => undefined)
  }
}
