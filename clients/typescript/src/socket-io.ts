// The default transport: socket.io-client, with all namespaces of an engine over one WebSocket.
import { Manager } from 'socket.io-client'
import type { Connect, Credentials } from './platform.ts'

const OPEN_TIMEOUT = 10_000

/**
 * Sockets to the server at `origin`, which may have a path; '' means the server that delivered the
 * page. `headers` is called for each WebSocket request, where the platform allows headers (Node). A
 * browser adds its cookies itself. `token` is called for each handshake; if it can't be had, the
 * connection is tried again.
 */
export function connectBySocketIo(origin: string, { headers, token }: Credentials): Connect {
  const [, host = '', path = ''] = /^(https?:\/\/[^/]+)?(.*?)\/?$/i.exec(origin) ?? []
  const options = {
    path: `${path}/socket.io`,
    transports: ['websocket'],
    reconnection: false,
    autoConnect: false,
    timeout: OPEN_TIMEOUT,
    get extraHeaders() {
      return headers?.()
    },
  }
  const manager = host === '' ? new Manager(options) : new Manager(host, options)
  return (namespace, auth) =>
    manager.socket(namespace, {
      auth: (give) => {
        if (!token) return give(auth())
        Promise.resolve(token()).then(
          (token) => give({ ...auth(), token }),
          () => manager.engine.close(),
        )
      },
    })
}
