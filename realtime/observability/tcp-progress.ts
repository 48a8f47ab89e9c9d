import type { Socket } from 'node:net'

/**
 * A mark that changes whenever the kernel takes bytes. The counters of the socket alone do not
 * suffice: they count whole writes, and one write may have megabytes.
 */
function takenMark(tcp: Socket): string {
  // Assertion: `_handle` is not in the types of Node.
  const { _handle: handle } = tcp as Socket & { _handle?: { writeQueueSize?: number } | null }
  return `${tcp.bytesWritten - tcp.writableLength} ${handle?.writeQueueSize}`
}

/** Watches whether the network takes what was written to a socket. */
export class TcpProgress {
  readonly #tcp: Socket
  /** What the network had taken when that last changed, and when the change was seen. */
  #taken: { mark: string; at: number } | undefined

  constructor(tcp: Socket) {
    this.#tcp = tcp
  }

  /**
   * For how long the network has taken nothing (ms). The precision is the time between two calls.
   * @param isWaiting whether there is anything to take
   */
  stuckMs(isWaiting: boolean): number {
    if (!isWaiting) {
      this.#taken = undefined
      return 0
    }
    const mark = takenMark(this.#tcp)
    if (this.#taken?.mark !== mark) this.#taken = { mark, at: performance.now() }
    return performance.now() - this.#taken.at
  }
}
