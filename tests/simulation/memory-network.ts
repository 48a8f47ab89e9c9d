// The network of the simulation: sockets whose other end is in this process. Node's own socket is
// under the server's code, without a handle of the operating system.
import { Socket } from 'node:net'

/** Carries what was sent to its receivers, one turn of the event loop later and in order. */
export class MemoryNetwork {
  #onTheWay: (() => void)[] = []

  get isIdle(): boolean {
    return this.#onTheWay.length === 0
  }

  carry(deliver: () => void): void {
    if (this.#onTheWay.push(deliver) === 1) setImmediate(() => this.#deliver())
  }

  #deliver(): void {
    const arriving = this.#onTheWay
    this.#onTheWay = []
    for (const deliver of arriving) deliver()
  }
}

type Chunk = { chunk: Buffer | string; encoding: BufferEncoding }

/** The server's end of a connection. */
export class MemorySocket extends Socket {
  readonly #network: MemoryNetwork
  readonly #receive: (bytes: Buffer) => void
  readonly #bytes = { written: 0, read: 0 }

  /** @param receive gets what the server sends */
  constructor(network: MemoryNetwork, receive: (bytes: Buffer) => void) {
    super()
    this.#network = network
    this.#receive = receive
    // without a handle, Node's own counters stand still
    Object.defineProperties(this, {
      bytesWritten: { get: () => this.#bytes.written },
      bytesRead: { get: () => this.#bytes.read },
    })
  }

  /** Sends to the server. */
  sendToServer(bytes: Buffer): void {
    this.#network.carry(() => {
      if (this.destroyed) return
      this.#bytes.read += bytes.length
      this.push(bytes)
    })
  }

  override _read(): void {}

  override _write(
    chunk: Buffer | string,
    encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    this.#carry(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk)
    done()
  }

  override _writev(chunks: Chunk[], done: (error?: Error | null) => void): void {
    this.#carry(
      Buffer.concat(
        chunks.map(({ chunk, encoding }) =>
          typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk,
        ),
      ),
    )
    done()
  }

  #carry(bytes: Buffer): void {
    this.#bytes.written += bytes.length
    this.#network.carry(() => this.#receive(bytes))
  }
}
