// A whole request must arrive within a time. Node has one such time for all requests of a server,
// so this measures it by request: a streamed body may take longer.
import type { IncomingMessage, Server } from 'node:http'
import { refuseSlow } from './problems.ts'

export interface RequestDeadlines {
  /** Lets the request arrive for as long as it takes. */
  lift(request: IncomingMessage): void
}

export function watchRequests(server: Server, ms: number): RequestDeadlines {
  const timers = new WeakMap<IncomingMessage, NodeJS.Timeout>()
  const lift = (request: IncomingMessage) => clearTimeout(timers.get(request))
  server.on('request', (request: IncomingMessage) => {
    if (request.complete) return
    const expire = () => request.complete || refuseSlow(request.socket)
    timers.set(request, setTimeout(expire, ms).unref())
    for (const event of ['end', 'close']) request.once(event, () => lift(request))
  })
  return { lift }
}
