// One client connection. A reply leaves only after everything that its command did, or saw, is on
// disk. The commands of a connection run in the order in which they arrive.
import type { Socket } from 'node:net'
import type { CommandReply } from '../commands/command.ts'
import { dispatch } from '../commands/dispatch.ts'
import type { DatabaseEngine } from '../engine.ts'
import {
  composeReply,
  FrameReader,
  MAX_MESSAGE_BYTES,
  parseMessage,
  type WireMessage,
} from './message.ts'

/** Serves one socket until it closes. `run` runs its commands. */
export function serveConnection(
  socket: Socket,
  engine: DatabaseEngine,
  stopping: AbortSignal,
  run = dispatch,
): void {
  const frames = new FrameReader(MAX_MESSAGE_BYTES + 1024)
  const closing = new AbortController()
  let queue: Promise<void> | undefined

  const send = (message: WireMessage, reply: CommandReply): void => {
    if (message.unacknowledged) return
    const frame = composeReply(message, reply)
    engine.store.onDurable(() => {
      if (!socket.destroyed) socket.write(frame)
    })
  }
  const execute = (message: WireMessage): Promise<void> | undefined => {
    const reply = run({ ...message, engine, closed: closing.signal, stopping })
    if (reply instanceof Promise) return reply.then((late) => send(message, late))
    send(message, reply)
    return undefined
  }
  const accept = (message: WireMessage): void => {
    queue = queue === undefined ? execute(message) : queue.then(() => execute(message))
    const started = queue
    void started
      ?.catch(() => socket.destroy())
      .then(() => {
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
  socket.on('close', () => closing.abort())
}
