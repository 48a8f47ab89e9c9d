// Decodes what clients send. The invariant: a frame is judged before it is parsed, and only those
// that are paid for wait, for a turn of the event loop: large ones of several connections often
// come in one turn. Socket.IO's own decoder would collect announced attachments until the last one
// has come, for anybody who opens a connection. A frame that breaks a limit becomes an event whose
// payload is the fault, so that its sender gets it as an answer.
import type { Socket } from 'socket.io'
import { Decoder, PacketType, type Packet } from 'socket.io-parser'
import { Fault } from '@lockstep/protocol/errors'
import { excessOf } from '@lockstep/protocol/json-shape'
import { limits } from '@lockstep/protocol/limits'
import { beginWork, isTurnOver, shareTurn } from '../concurrency/turns.ts'
import { FrameEncoder } from './frame-encoder.ts'

/** Shorter frames cost too little to wait (UTF-16 units). */
const LONG = 16 * 1024

/** An event with its attachments, namespace, ack and name. */
const EVENT = /^(?:2|5(\d{1,3})-)(?:(\/[^,]{0,100}),)?(\d{0,15})(\["(?:[^"\\]|\\.){0,100}")/

class FrameDecoder extends Decoder {
  /** Announced attachments that are still to come. They are dropped. */
  #attachments = 0

  /** Frames that wait for a turn, and those that came after them. */
  readonly #waiting: string[] = []

  /** How long the sender of the present frame must wait (ms). */
  waitMs = () => 0
  /** Ends the connection for a frame that waited. Undefined: none waits. */
  broken: ((error: unknown) => void) | undefined

  /** Throws for what isn't a frame of Socket.IO's protocol; the connection then ends. */
  override add(frame: unknown): void {
    if (typeof frame !== 'string') {
      if (this.#attachments-- > 0) return
      throw new Error('a binary frame was not announced')
    }
    const type = Number(frame[0])
    if (type === PacketType.BINARY_EVENT) return this.#refuseBinary(frame)
    if (type === PacketType.EVENT) {
      const retry_after_ms = this.waitMs()
      if (retry_after_ms > 0)
        return this.#refuse(frame, new Fault('rate_limited', { retry_after_ms }))
    }
    const waits = this.#waiting.length > 0 || (frame.length > LONG && isTurnOver())
    if (!this.broken || !waits) return this.#decode(frame, type)
    if (this.#waiting.push(frame) === 1) void this.#decodeWaiting(this.broken)
  }

  override destroy(): void {
    this.#waiting.length = 0
    super.destroy()
  }

  async #decodeWaiting(broken: (error: unknown) => void): Promise<void> {
    for (;;) {
      await shareTurn()
      const frame = this.#waiting[0]
      if (frame === undefined) return
      try {
        this.#decode(frame, Number(frame[0]))
      } catch (error) {
        this.#waiting.length = 0
        return broken(error)
      }
      this.#waiting.shift()
      if (this.#waiting.length === 0) return
    }
  }

  #decode(frame: string, type: number): void {
    if (type === PacketType.EVENT) {
      beginWork()
      const excess = excessOf(frame)
      if (excess !== undefined) return this.#refuse(frame, invalid(`The payload ${excess}`))
    } else if (type === PacketType.BINARY_ACK || frame.length > limits.handshakeBytes)
      throw new Error('a frame is too large or of no known type')
    super.add(frame)
  }

  #refuseBinary(frame: string): void {
    this.#attachments = Number(EVENT.exec(frame)?.[1] ?? 0)
    this.#refuse(frame, invalid('Commands are JSON without binary attachments'))
  }

  #refuse(frame: string, fault: Fault): void {
    const [, , nsp = '/', id = '', name] = EVENT.exec(frame) ?? []
    if (name === undefined) throw new Error('this is not an event')
    const [event]: unknown[] = JSON.parse(`${name}]`)
    const packet: Packet = { type: PacketType.EVENT, nsp, data: [event, fault] }
    if (id !== '') packet.id = Number(id)
    this.emitReserved('decoded', packet)
  }
}

const invalid = (detail: string): Fault =>
  new Fault('invalid', { detail, issues: [{ path: '', message: detail }] })

/** The parser of a Socket.IO server. */
export const frameParser = { Encoder: FrameEncoder, Decoder: FrameDecoder }

/**
 * Events of this socket's connection are refused without being parsed while `waitMs` isn't 0, and
 * long ones wait for a turn. Throws if another version of the library keeps its decoder elsewhere.
 */
export function refuseFrames({ client }: Pick<Socket, 'client'>, waitMs: () => number): void {
  const decoder: unknown = client['decoder']
  if (!(decoder instanceof FrameDecoder))
    throw new Error('socket.io has changed: the refusal of frames must be adapted to it')
  decoder.waitMs = waitMs
  decoder.broken = (error) => client['onerror'](error)
}
