// One client connection. A reply leaves only after everything that its command did, or saw, is on
// disk. The commands of a connection run in the order in which they arrive. A driver that follows
// the server asks once, and gets a reply whenever it has waited for news.
import type { Socket } from 'node:net'
import { awaitsNews } from '../commands/diagnostics.ts'
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
  let queue = Promise.resolve()

  const execute = async (message: WireMessage): Promise<void> => {
    const reply = await run({ ...message, engine, closed: closing.signal, stopping })
    if (message.unacknowledged) return
    const more = message.exhaust && awaitsNews(message, engine) && !stopping.aborted
    const frame = composeReply(message, reply, more)
    engine.store.onDurable(() => {
      if (!socket.destroyed) socket.write(frame)
    })
    if (more && !closing.signal.aborted) accept(message)
  }
  const accept = (message: WireMessage): void => {
    queue = queue.then(() => execute(message)).catch(() => void socket.destroy())
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
