// A body keeps coming or its connection ends: who sends a byte now and then would hold a connection, and with a large body one of the few
// places for those, for as long as a whole request may take.
import type { IncomingMessage } from 'node:http'
import type { HttpSettings } from './settings.ts'

/** Calls `late` once, when the rest of the request's body comes too slowly. Begin when somebody reads it. */
export function watchBodyRate(
  request: IncomingMessage,
  { minBodyBytes: pace, timings }: HttpSettings,
  late: () => void,
): void {
  if (request.complete) return
  let read = request.socket.bytesRead
  const timer = setInterval(() => {
    const came = request.socket.bytesRead - read
    read += came
    if (came >= pace || request.complete) return
    end()
    late()
  }, timings.body)
  const end = () => clearInterval(timer)
  for (const event of ['end', 'close']) request.once(event, end)
}
