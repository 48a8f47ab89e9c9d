// A client of the wire protocol without the driver, for commands that a driver would change: the
// driver puts its own session and number on every write.
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { BSON, type Document } from 'mongodb'
import { Doc } from '../../realtime/embedded/bson/doc.ts'
import { encode } from '../../realtime/embedded/bson/encode.ts'

/** One connection, which sends one command at a time. */
export interface RawClient extends AsyncDisposable {
  /**
   * Sends a command unchanged to the database `test`. Resolves with the reply, even if it is an
   * error. Rejects if the server closes the connection instead.
   */
  send(command: Document): Promise<Document>
  /** The same with fields in exactly this order, and a reply with its exact bytes. */
  sendDoc(command: Doc): Promise<Doc>
}

/** Connects to the address of a connection string. */
export async function connectRaw(url: string): Promise<RawClient> {
  const { host } = new URL(url)
  const [name, port] = host.split(':')
  const socket =
    port === undefined
      ? createConnection(decodeURIComponent(host))
      : createConnection(Number(port), name)
  await once(socket, 'connect')
  const ask = async (body: Uint8Array): Promise<Buffer> => {
    const closed = new AbortController()
    const end = (): void => closed.abort(new Error('The server closed the connection.'))
    socket.once('close', end)
    socket.write(message(body))
    try {
      return (await frame(socket, closed.signal)).subarray(21)
    } finally {
      socket.off('close', end)
    }
  }
  return {
    async send(command) {
      const {
        $clusterTime: _,
        operationTime: __,
        ...answer
      } = BSON.deserialize(await ask(BSON.serialize({ ...command, $db: 'test' })))
      return answer
    },
    async sendDoc(command) {
      return Doc.read(await ask(encode(command.with('$db', 'test'))))
    },
    async [Symbol.asyncDispose]() {
      socket.destroy()
      if (!socket.closed) await once(socket, 'close')
    },
  }
}

function message(body: Uint8Array): Buffer {
  const head = Buffer.alloc(21)
  head.writeInt32LE(head.length + body.length, 0)
  head.writeInt32LE(1, 4)
  head.writeInt32LE(2013, 12)
  return Buffer.concat([head, body])
}

async function frame(socket: Socket, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for (;;) {
    const [chunk] = (await once(socket, 'data', { signal })) as [Buffer]
    chunks.push(chunk)
    length += chunk.length
    if (length < 4) continue
    const all = Buffer.concat(chunks)
    if (length >= all.readInt32LE(0)) return all
    chunks.splice(0, chunks.length, all)
  }
}
