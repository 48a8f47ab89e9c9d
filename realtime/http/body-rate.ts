// Ends requests whose body arrives too slowly. Otherwise somebody who sends a byte now and then
// could hold a connection for as long as a whole request may take. With a large body, they would
// also hold a part of the disk that all large bodies share.
import type { IncomingMessage } from 'node:http'
import type { HttpSettings } from './settings.ts'

/**
 * Calls `onTooSlow` once if the rest of the body arrives too slowly. Call this when the body begins
 * to be read.
 */
export function watchBodyRate(
  request: IncomingMessage,
  { minBodyBytes, timings }: HttpSettings,
  onTooSlow: () => void,
): void {
  if (request.complete) return
  let bytesRead = request.socket.bytesRead
  const timer = setInterval(() => {
    const received = request.socket.bytesRead - bytesRead
    bytesRead += received
    if (received >= minBodyBytes || request.complete) return
    stopWatching()
    onTooSlow()
  }, timings.body)
  const stopWatching = () => clearInterval(timer)
  for (const event of ['end', 'close']) request.once(event, stopWatching)
}
