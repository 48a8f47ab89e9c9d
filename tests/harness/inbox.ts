// The events that a device has received, in order, and waiting for those that are still to come.
import { within } from './eventually.ts'

export interface Received {
  event: string
  payload: unknown
}

/** `next` returns each item of an event once; `received` keeps everything. */
export class Inbox {
  readonly received: Received[] = []
  readonly #taken = new Map<string, number>()
  readonly #waiting = new Set<() => void>()

  put(event: string, payload: unknown): void {
    this.received.push({ event, payload })
    for (const look of [...this.#waiting]) look()
  }

  /** The payloads of one event, in order. */
  all<T>(event: string): T[] {
    return this.received.flatMap((item) => (item.event === event ? [item.payload as T] : []))
  }

  /** The next payload of this event that `next` hasn't returned yet. Rejects after `ms`. */
  next<T>(event: string, ms = 15_000): Promise<T> {
    return this.#look(`the next ${event}`, ms, () => {
      const at = this.received.findIndex(
        (item, index) => item.event === event && index >= (this.#taken.get(event) ?? 0),
      )
      if (at < 0) return undefined
      this.#taken.set(event, at + 1)
      return { found: this.received[at]!.payload as T }
    })
  }

  /** The first payload of this event that fits, also among earlier ones. Rejects after `ms`. */
  until<T>(event: string, fits: (payload: T) => boolean, ms = 15_000): Promise<T> {
    return this.#look(`a ${event} where ${fits.toString()}`, ms, () => {
      const found = this.all<T>(event).find(fits)
      return found === undefined ? undefined : { found }
    })
  }

  async #look<T>(what: string, ms: number, find: () => { found: T } | undefined): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<T>()
    const look = () => {
      const result = find()
      if (!result) return
      this.#waiting.delete(look)
      resolve(result.found)
    }
    this.#waiting.add(look)
    look()
    try {
      return await within(ms, what, promise)
    } catch (error) {
      const last = this.received
        .slice(-8)
        .map(({ event, payload }) => `${event} ${JSON.stringify(payload)?.slice(0, 200)}`)
      throw new Error(
        `${(error as Error).message}; the last events were:\n${last.join('\n') || 'nothing'}`,
        {
          cause: error,
        },
      )
    } finally {
      this.#waiting.delete(look)
    }
  }
}
