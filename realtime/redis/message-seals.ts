// Authenticates the messages between nodes. Whoever has access to Redis can read and delay what
// nodes tell each other, but can't forge it, nor pass a message about one user off as one about
// another: the channel is authenticated as well.
import { createHmac, timingSafeEqual } from 'node:crypto'

const MAC_BYTES = 16

export interface MessageSeals {
  /** The message with its authentication code in front. */
  seal(channel: string, message: string | Buffer): Buffer
  /** The message; undefined if no node of this deployment has sent it in this channel. */
  open(channel: string, sealed: Buffer): Buffer | undefined
}

/** The authentication code of a sealed message: two messages in one channel never share one. */
export const codeOf = (sealed: Buffer): string => sealed.toString('latin1', 0, MAC_BYTES)

/** @param key known to the nodes of one deployment only */
export function createMessageSeals(key: string): MessageSeals {
  const macOf = (channel: string, message: string | Buffer) =>
    createHmac('sha256', key).update(`${channel}\0`).update(message).digest().subarray(0, MAC_BYTES)
  return {
    seal: (channel, message) => Buffer.concat([macOf(channel, message), Buffer.from(message)]),
    open(channel, sealed) {
      if (sealed.length < MAC_BYTES) return undefined
      const message = sealed.subarray(MAC_BYTES)
      const isOurs = timingSafeEqual(sealed.subarray(0, MAC_BYTES), macOf(channel, message))
      return isOurs ? message : undefined
    },
  }
}
