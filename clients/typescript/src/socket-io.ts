// The default wire: socket.io-client, all namespaces of an engine over one WebSocket.
import { Manager } from 'socket.io-client'
import type { Connect } from './platform.ts'

const OPEN_TIMEOUT = 10_000

/** @param headers sent with the WebSocket's request where the platform allows it (Node); pages send their cookie by themselves. */
export function connectBySocketIo(origin: string, headers: Record<string, string>): Connect {
  const manager = new Manager(origin === '' ? location.origin : origin, {
    path: '/socket.io',
    transports: ['websocket'],
    reconnection: false,
    autoConnect: false,
    timeout: OPEN_TIMEOUT,
    ...(Object.keys(headers).length > 0 && { extraHeaders: headers }),
  })
  return (namespace, auth) => manager.socket(namespace, { auth: (give) => give(auth()) })
}
