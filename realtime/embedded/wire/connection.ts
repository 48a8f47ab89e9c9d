// One client connection. A reply leaves only after everything that its command did, or saw, is on
// disk. The commands of a connection run in the order in which they arrive.
import type { Socket } from 'node:net'
import type { ClientConnection, CommandReply } from '../commands/command.ts'
import { dispatch, errorReply } from '../commands/dispatch.ts'
import type { DatabaseEngine } from '../engine.ts'
import { FrameReader } from './frame-reader.ts'
import {
  composeReply,
  encodeReply,
  MAX_MESSAGE_BYTES,
  parseMessage,
  type WireMessage,
} from './message.ts'

/** Serves one socket until it closes. */
export function serveConnection(
  socket: Socket,
  engine: DatabaseEngine,
  stopping: AbortSignal,
): void {
  const frames = new FrameReader(MAX_MESSAGE_BYTES + 1024)
  const closed = new AbortController()
  const client: ClientConnection = {
    appName: undefined,
    closed: closed.signal,
    destroy: () => socket.destroy(),
  }
  let queue: Promise<void> | undefined

  const send = (
    message: WireMessage,
    reply: CommandReply,
    responseTo: number,
    more: boolean,
  ): number => {
    const { frame, id } = composeReply(
      responseTo,
      encodeReply(reply.body, reply.cursor),
      message.legacy,
      more,
    )
    engine.store.onDurable(() => {
      if (!socket.destroyed) socket.write(frame)
    })
    return id
  }
  const finish = async (message: WireMessage, first: CommandReply): Promise<void> => {
    let reply = first
    let responseTo = message.requestId
    while (reply.next && message.exhaust && !message.unacknowledged) {
      responseTo = send(message, reply, responseTo, true)
      reply = await reply.next()
      if (closed.signal.aborted || stopping.aborted) return
    }
    if (!message.unacknowledged) send(message, reply, responseTo, false)
  }
  const execute = (message: WireMessage): Promise<void> | undefined => {
    const result = dispatch(engine, message, client, stopping)
    if (!(result instanceof Promise) && !(result.next && message.exhaust)) {
      if (!message.unacknowledged) send(message, result, message.requestId, false)
      return undefined
    }
    return Promise.resolve(result)
      .catch((error: unknown) => errorReply(engine, error))
      .then((reply) => finish(message, reply))
  }
  const accept = (message: WireMessage): void => {
    if (queue === undefined) {
      queue = execute(message)
    } else {
      queue = queue.then(() => execute(message))
    }
    const started = queue
    void started?.then(() => {
      if (queue === started) queue = undefined
    })
  }

  socket.on('data', (chunk: Buffer) => {
    try {
      for (const frame of frames.push(chunk)) accept(parseMessage(frame))
    } catch {
      socket.destroy()
    }
  })
  socket.on('error', () => socket.destroy())
  socket.on('close', () => closed.abort())
}
