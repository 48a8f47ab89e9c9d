import type { TopicSocket } from './connection.ts'

type Transport = TopicSocket['conn']

/**
 * Counts the devices of each user on this node: the transports that have joined a namespace. A
 * device counts from its admission on, so that devices that join at the same moment count too.
 */
export class UserDevices {
  readonly #most: number
  readonly #transports = new Map<string, Set<Transport>>()

  /** @param most the most devices of one user */
  constructor(most: number) {
    this.#most = most
  }

  count(user_id: string): number {
    return this.#transports.get(user_id)?.size ?? 0
  }

  /**
   * Counts the device until its transport closes. False if the user has the most devices already.
   */
  admit(user_id: string, transport: Transport): boolean {
    const transports = this.#transports.get(user_id) ?? new Set()
    if (transports.has(transport) || transport.readyState === 'closed') return true
    if (transports.size >= this.#most) return false
    this.#transports.set(user_id, transports.add(transport))
    transport.once('close', () => {
      transports.delete(transport)
      if (transports.size === 0) this.#transports.delete(user_id)
    })
    return true
  }
}
