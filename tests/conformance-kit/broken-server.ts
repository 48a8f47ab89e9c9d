// A proxy in front of a node that breaks one rule: it rewrites what passes, over HTTP and within
// the frames of WebSockets. The kit has to catch the server that it makes of the node.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { newId } from '@lockstep/protocol/ids'

/** What passes instead of a frame or a response. */
export interface Breakage {
  /** Texts from the server. */
  down?: (text: string) => string[]
  /** Texts from the client. */
  up?: (text: string) => string[]
  /** The body of a response to GET. */
  get?: (path: string, body: string) => string
  /** The connection of a client stays open when the server ends it. */
  keepsOpen?: boolean
}

/** A new breakage for each connection, and one for HTTP, because some of them remember. */
export const breakages: Record<string, () => Breakage> = {
  'LOG-1': () => ({
    down: (text) => [
      text.replace(/"seq":(\d+),"at"/g, (_, seq) => `"seq":${Number(seq) * 2},"at"`),
    ],
  }),
  'LOG-3': () => ({
    up: (text) => [text.replace(/"mutation_id":"[^"]*"/, `"mutation_id":"${newId()}"`)],
  }),
  'LOG-6': () => {
    const first = new Map<string, string>()
    return {
      get: (path, body) => {
        if (!/^\/conversations\/.+/.test(path)) return body
        first.set(path, first.get(path) ?? body)
        return first.get(path)!
      },
    }
  },
  'LOG-7': () => ({ down: (text) => (text.includes('"op":"closed"') ? [] : [text]) }),
  'GATE-2': () => ({
    down: (text) => (/^42\/\w+,\["sync"/.test(text) ? [early(text), text] : [text]),
  }),
  'GATE-5': () => ({
    down: (text) => [text.replace(/(\["head",\{.*"seq":)\d+/, (_, before) => `${before}0`)],
  }),
  'GATE-6': () => ({ keepsOpen: true, down: (text) => (text.startsWith('41') ? [] : [text]) }),
  'GATE-7': () => ({ down: (text) => [text.replace(/^(40\/\w+,\{)/, '$1"pid":"private",')] }),
  // `make` is called for each connection, so this is what one of them has joined
  'GATE-8': () => {
    const joined = new Set<string>()
    return {
      up: (text) => {
        const [join] = /^40\/\w+/.exec(text) ?? []
        if (join === undefined) return [text]
        const isAgain = joined.has(join)
        joined.add(join)
        return isAgain ? [] : [text]
      },
    }
  },
  'GATE-9': () => ({ down: (text) => [text.replace(/^(44.*"code":")\w+/, '$1internal')] }),
  'GATE-10': () => ({
    down: (text) => [text.replace(/^(43\/.*"changes":\[).*(\],"more")/, '$1$2')],
  }),
}

/** A change before the first `sync` of its namespace. */
const early = (sync: string): string => {
  const namespace = /^42(\/\w+),/.exec(sync)![1]!
  const change = { topic: namespace.slice(1), epoch: 'e', seq: 1, op: 'updated', data: {} }
  return `42${namespace},${JSON.stringify(['change', change])}`
}

export interface BrokenServer extends AsyncDisposable {
  url: string
}

export async function startBrokenServer(
  origin: string,
  make: () => Breakage,
): Promise<BrokenServer> {
  const { hostname, port } = new URL(origin)
  const sockets = new Set<Duplex>()
  const breakage = make()
  const server = createServer((request, response) => void pass(request, response))

  async function pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const {
      host: _host,
      connection: _connection,
      'content-length': _length,
      ...headers
    } = request.headers as Record<string, string>
    const answer = await fetch(origin + request.url, {
      method: request.method,
      headers,
      ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
    })
    const body = await answer.text()
    const cookie = answer.headers.get('set-cookie')
    const isRead = request.method === 'GET' && answer.status === 200 && breakage.get
    response.writeHead(answer.status, {
      'content-type': answer.headers.get('content-type') ?? 'text/plain',
      ...(cookie !== null && { 'set-cookie': cookie }),
    })
    if (answer.status === 204) return void response.end()
    response.end(isRead ? breakage.get!(new URL(answer.url).pathname, body) : body)
  }

  server.on('upgrade', (request, client) => {
    const upstream = connect(Number(port), hostname)
    const { down = one, up = one, keepsOpen = false } = make()
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => sockets.delete(socket))
    }
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => keepsOpen || client.destroy())
    const lines = request.rawHeaders.flatMap((name, index, all) =>
      index % 2 === 0 ? [`${name}: ${all[index + 1]}`] : [],
    )
    upstream.write(`GET ${request.url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
    passFrames(client, upstream, up, true)
    passFrames(upstream, client, down, false)
  })

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const one = (text: string): string[] => [text]

/** Passes the frames on; before them, the head of a response as it is. */
function passFrames(
  from: Duplex | Socket,
  to: Duplex | Socket,
  rewrite: (text: string) => string[],
  isMasked: boolean,
): void {
  let rest: Buffer = Buffer.alloc(0)
  let hasHead = isMasked
  from.on('data', (data: Buffer) => {
    rest = Buffer.concat([rest, data])
    if (!hasHead) {
      const end = rest.indexOf('\r\n\r\n')
      if (end < 0) return
      to.write(rest.subarray(0, end + 4))
      rest = rest.subarray(end + 4)
      hasHead = true
    }
    for (let frame = firstFrame(rest); frame; frame = firstFrame(rest)) {
      rest = rest.subarray(frame.length)
      if (frame.opcode !== 1) to.write(frameOf(frame.opcode, frame.payload, isMasked))
      else
        for (const text of rewrite(frame.payload.toString()))
          to.write(frameOf(1, Buffer.from(text), isMasked))
    }
  })
}

function firstFrame(data: Buffer) {
  if (data.length < 2) return undefined
  const short = data[1]! & 0x7f
  const at = short === 126 ? 4 : short === 127 ? 10 : 2
  const isMasked = (data[1]! & 0x80) !== 0
  const start = at + (isMasked ? 4 : 0)
  if (data.length < start) return undefined
  const size = short === 126 ? data.readUInt16BE(2) : short === 127 ? data.readUInt32BE(6) : short
  if (data.length < start + size) return undefined
  const payload = Buffer.from(data.subarray(start, start + size))
  if (isMasked) for (let i = 0; i < size; i++) payload[i]! ^= data[at + (i % 4)]!
  return { opcode: data[0]! & 0x0f, payload, length: start + size }
}

/** A mask of zeros is a mask. */
function frameOf(opcode: number, payload: Buffer, isMasked: boolean): Buffer {
  const bit = isMasked ? 0x80 : 0
  const size = payload.length
  const head =
    size < 126
      ? Buffer.from([0x80 | opcode, bit | size])
      : size < 65_536
        ? Buffer.from([0x80 | opcode, bit | 126, size >> 8, size & 0xff])
        : Buffer.concat([Buffer.from([0x80 | opcode, bit | 127, 0, 0, 0, 0]), uint32(size)])
  return Buffer.concat([head, Buffer.alloc(isMasked ? 4 : 0), payload])
}

function uint32(size: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(size)
  return bytes
}
