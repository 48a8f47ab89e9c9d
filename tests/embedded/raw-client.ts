// A client of the wire protocol without the driver, for commands that a driver would change: the
// driver puts its own session and number on every write.
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { BSON, type Document } from 'mongodb'

/** One connection, which sends one command at a time. */
export interface RawClient extends AsyncDisposable {
  /**
   * Sends a command unchanged to the database `test`. Resolves with the reply, even if it is an
   * error.
   */
  send(command: Document): Promise<Document>
}

/** Connects to the unix socket of a connection string. */
export async function connectRaw(url: string): Promise<RawClient> {
  const socket = createConnection(decodeURIComponent(new URL(url).host))
  await once(socket, 'connect')
  return {
    async send(command) {
      socket.write(message({ ...command, $db: 'test' }))
      const {
        $clusterTime: _,
        operationTime: __,
        ...answer
      } = BSON.deserialize((await frame(socket)).subarray(21))
      return answer
    },
    async [Symbol.asyncDispose]() {
      socket.destroy()
      if (!socket.closed) await once(socket, 'close')
    },
  }
}

function message(command: Document): Buffer {
  const body = BSON.serialize(command)
  const head = Buffer.alloc(21)
  head.writeInt32LE(head.length + body.length, 0)
  head.writeInt32LE(1, 4)
  head.writeInt32LE(2013, 12)
  return Buffer.concat([head, body])
}

async function frame(socket: Socket): Promise<Buffer> {
  let bytes = Buffer.alloc(0)
  while (bytes.length < 4 || bytes.length < bytes.readInt32LE(0)) {
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    bytes = Buffer.concat([bytes, chunk])
  }
  return bytes
}
