// Watches what an engine sends and receives, through the engine's option `connect`: the one place
// that all of it passes. Without a listener it only passes things on, so a page can have it always
// and load the panel when somebody wants to see it.
import type { Connect, SocketLike } from '@lockstep/client'

/** One event of a socket. Listeners get it after the engine has handled it. */
export interface Frame {
  /** The namespace's topic: `conversations`, `account`, … */
  readonly topic: string
  /** `ack`: the server's answer to the event. */
  readonly kind: 'sent' | 'ack' | 'received'
  /** The command, or the server's event, or `connect_error` or `disconnect`. */
  readonly event: string
  readonly payload: unknown
  /** The ack, if it is one; `payload` is what was sent. */
  readonly answer?: unknown
}

export interface Wire {
  /** The engine's option. */
  readonly connect: Connect
  /** Returns the function that ends this. */
  listen(listener: (frame: Frame) => void): () => void
  /** Sends an event that isn't logged. It is lost if the topic isn't connected. */
  send(topic: string, event: string, payload: object): void
}

/** @param connect what makes the sockets, such as `connectBySocketIo(origin, {})` */
export function createWire(connect: Connect): Wire {
  const listeners = new Set<(frame: Frame) => void>()
  const live = new Map<string, SocketLike>()
  const tell = (frame: Frame) => listeners.forEach((listener) => listener(frame))
  return {
    connect(namespace, auth) {
      const topic = namespace.slice(1)
      const socket = connect(namespace, auth)
      const hear = (event: string, payload: unknown) => {
        if (event === 'sync') live.set(topic, socket)
        if (event === 'disconnect' && live.get(topic) === socket) live.delete(topic)
        tell({ topic, kind: 'received', event, payload })
      }
      socket.on('trace', (payload) => hear('trace', payload))
      return {
        on: (event, listener) =>
          socket.on(event, (payload) => {
            listener(payload)
            hear(event, payload)
          }),
        emit(event, payload, ack) {
          tell({ topic, kind: 'sent', event, payload })
          socket.emit(event, payload, (answer) => {
            ack(answer)
            tell({ topic, kind: 'ack', event, payload, answer })
          })
        },
        connect: () => socket.connect(),
        disconnect: () => socket.disconnect(),
      }
    },
    listen(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    send(topic, event, payload) {
      live.get(topic)?.emit(event, payload, () => {})
    },
  }
}
