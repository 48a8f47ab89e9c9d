// Decodes what clients send. The invariant: a frame is judged before it is parsed, and nothing of
// it is kept for later. Socket.IO's own decoder would collect announced attachments until the last
// one has come, for anybody who opens a connection. A frame that breaks a limit becomes an event
// whose payload is the fault, so that its sender gets it as an answer.
import type { Socket } from 'socket.io'
import { Decoder, Encoder, PacketType, type Packet } from 'socket.io-parser'
import { Fault } from '@lockstep/protocol/errors'
import { excessOf } from '@lockstep/protocol/json-shape'
import { limits } from '@lockstep/protocol/limits'
import { beginWork } from '../concurrency/turns.ts'

/** An event with its attachments, namespace, ack and name. */
const EVENT = /^(?:2|5(\d{1,3})-)(?:(\/[^,]{0,100}),)?(\d{0,15})(\["(?:[^"\\]|\\.){0,100}")/

class FrameDecoder extends Decoder {
  /** Announced attachments that are still to come. They are dropped. */
  #attachments = 0

  /** How long the sender of the present frame must wait (ms). */
  waitMs = () => 0

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
export const frameParser = { Encoder, Decoder: FrameDecoder }

/**
 * Events of this socket's connection are refused without being parsed while `waitMs` isn't 0.
 * Throws if another version of the library keeps its decoder elsewhere.
 */
export function refuseFrames({ client }: Pick<Socket, 'client'>, waitMs: () => number): void {
  const decoder: unknown = client['decoder']
  if (!(decoder instanceof FrameDecoder))
    throw new Error('socket.io has changed: the refusal of frames must be adapted to it')
  decoder.waitMs = waitMs
}
