// A request may last for minutes: an upload of a program, an export that is read slowly. Whoever
// sends or receives must be signed in all that time, not only when it begins.
import type { Socket } from 'node:net'
import { repeatEvery } from '../concurrency/repeat.ts'

/** How often that is asked (ms). */
const CHECK_MS = 700

/**
 * Ends the connection when the person is signed out, or the token is revoked or expires.
 *
 * @returns a function that ends the watch
 */
export const endWithAccess = (socket: Socket, isAllowed: () => Promise<boolean>) =>
  repeatEvery(CHECK_MS, async () => void ((await isAllowed()) || socket.destroy()), {
    firstAfterMs: CHECK_MS,
    failed: () => undefined, // the next check asks again
  })
