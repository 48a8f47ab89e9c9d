// A device of the simulation: a tab with one WebSocket in four namespaces. It checks what it gets:
// each topic's changes must follow each other without a gap.
import { IncomingMessage, type Server } from 'node:http'
import { topics } from '@lockstep/protocol/topics'
import { PROTOCOL } from '@lockstep/protocol/version'
import { MemorySocket, type MemoryNetwork } from './memory-network.ts'
import { realNow } from './virtual-clock.ts'

/** What all devices of a simulation have seen together. */
export interface Seen {
  /** Devices that have synced all their topics. */
  joined: number
  changes: number
  deltas: number
  heads: number
  acks: number
  /** Everything that no server may do to a device, in words. */
  faults: string[]
  /** The processor's time that the devices took (ms); it isn't the server's. */
  ms: number
}

const HEADER_END = '\r\n\r\n'
const textFrame = 0x81

export class SimulatedDevice {
  readonly #seen: Seen
  readonly #socket: MemorySocket
  readonly #cursors = new Map<string, number>()
  #isUpgraded = false
  #rest: Buffer | undefined
  #acks = 0

  constructor(network: MemoryNetwork, httpServer: Server, cookie: string, seen: Seen) {
    this.#seen = seen
    this.#socket = new MemorySocket(network, (bytes) => {
      const began = realNow()
      this.#receive(bytes)
      seen.ms += realNow() - began
    })
    const request = new IncomingMessage(this.#socket)
    request.method = 'GET'
    request.url = '/socket.io/?EIO=4&transport=websocket'
    request.headers = {
      host: 'simulation',
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-key': 'c2ltdWxhdGlvbiBkZXZpYw==',
      'sec-websocket-version': '13',
      cookie,
    }
    httpServer.emit('upgrade', request, this.#socket, Buffer.alloc(0))
  }

  /** The `seq` that the device has of a topic. */
  cursor(topic: string): number | undefined {
    return this.#cursors.get(topic)
  }

  /** Sends a command, as a page does. */
  command(topic: string, name: string, payload: object): void {
    const began = realNow()
    this.#send(`42/${topic},${++this.#acks}${JSON.stringify([name, payload])}`)
    this.#seen.ms += realNow() - began
  }

  #send(text: string): void {
    const payload = Buffer.from(text)
    const { length } = payload
    // A client masks what it sends. The mask may be anything, so it is zero here.
    const header =
      length < 126
        ? Buffer.from([textFrame, 0x80 | length, 0, 0, 0, 0])
        : Buffer.from([textFrame, 0x80 | 126, length >> 8, length & 0xff, 0, 0, 0, 0])
    this.#socket.sendToServer(Buffer.concat([header, payload]))
  }

  #receive(bytes: Buffer): void {
    let data = this.#rest ? Buffer.concat([this.#rest, bytes]) : bytes
    this.#rest = undefined
    if (!this.#isUpgraded) {
      const end = data.indexOf(HEADER_END)
      if (end >= 0) {
        this.#isUpgraded = true
        data = data.subarray(end + HEADER_END.length)
      }
    }
    while (this.#isUpgraded && data.length >= 2) {
      const short = data[1]! & 0x7f
      const [start, length] =
        short < 126
          ? [2, short]
          : short === 126
            ? [4, data.length < 4 ? Infinity : data.readUInt16BE(2)]
            : [10, data.length < 10 ? Infinity : Number(data.readBigUInt64BE(2))]
      if (data.length < start + length) break
      if (data[0] === textFrame) this.#packet(data.toString('utf8', start, start + length))
      else this.#fault(`a frame of kind ${data[0]} came`)
      data = data.subarray(start + length)
    }
    if (data.length > 0) this.#rest = data
  }

  /** A packet of Engine.IO; `4` has one of Socket.IO. */
  #packet(text: string): void {
    if (text === '2') this.#send('3')
    else if (text.startsWith('0'))
      for (const topic of topics) this.#send(`40/${topic},{"protocol":${PROTOCOL}}`)
    else if (text.startsWith('42')) this.#event(text)
    else if (text.startsWith('43')) {
      this.#seen.acks++
      if (!text.includes('"ok":true')) this.#fault(text)
    } else if (!text.startsWith('40')) this.#fault(text)
  }

  #event(text: string): void {
    const comma = text.indexOf(',')
    const topic = text.slice('42/'.length, comma)
    const name = text.slice(comma + '["'.length + 1, text.indexOf('"', comma + '["'.length + 1))
    if (name === 'delta') return void this.#seen.deltas++
    if (name === 'head') return void this.#seen.heads++
    if (name !== 'sync' && name !== 'change') return
    const [, payload] = JSON.parse(text.slice(comma + 1)) as [
      string,
      { seq: number; from: number; to: number; changes: unknown[] },
    ]
    const last = this.#cursors.get(topic)
    if (name === 'sync') {
      if (last !== undefined && payload.from !== last)
        this.#fault(`${topic}: a sync from ${payload.from} came after ${last}`)
      this.#seen.changes += payload.changes.length
      this.#cursors.set(topic, payload.to)
      if (last === undefined && this.#cursors.size === topics.length) this.#seen.joined++
    } else {
      if (payload.seq !== (last ?? 0) + 1)
        this.#fault(`${topic}: change ${payload.seq} came after ${last}`)
      this.#seen.changes++
      this.#cursors.set(topic, payload.seq)
    }
  }

  #fault(what: string): void {
    this.#seen.faults.push(what.slice(0, 300))
  }
}
