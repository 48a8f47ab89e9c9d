// Events that all devices of a user receive alike, encoded once: as the packet of Socket.IO, and as
// the frame of the WebSocket that carries it. Each device still gets it through its own transport,
// whose backlog counts the same bytes as for any other event.
import { PacketType } from 'socket.io-parser'
import type { ServerEvents } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'
import type { TopicSocket } from './connection.ts'

/** The events that reach all devices of a user as the same object. */
type SharedEvent = 'change' | 'delta'
type Payload = Parameters<ServerEvents[SharedEvent]>[0]

interface Encoded {
  text: string
  /** Header and content of the frame, for the option of engine.io of this name. */
  wsPreEncodedFrame: readonly Buffer[]
}

/** By payload. A payload belongs to one event of one topic. */
const encoded = new WeakMap<Payload, Encoded>()

/** Emits the event as `socket.emit` does. */
export function emitShared(
  { conn }: TopicSocket,
  topic: Topic,
  event: SharedEvent,
  payload: Payload,
): void {
  let frame = encoded.get(payload)
  if (!frame) encoded.set(payload, (frame = encode(topic, event, payload)))
  const { text, wsPreEncodedFrame } = frame
  // engine.io adds to the options of a packet
  const options: object = { wsPreEncodedFrame }
  conn.write(text, options)
}

function encode(topic: Topic, event: SharedEvent, payload: Payload): Encoded {
  const text = `${PacketType.EVENT}/${topic},${JSON.stringify([event, payload])}`
  const content = Buffer.from(`${ENGINE_MESSAGE}${text}`)
  return { text, wsPreEncodedFrame: [textFrameHeader(content.length), content] }
}

const ENGINE_MESSAGE = '4'

/** The header of a whole text message, as a server sends it: without a mask (RFC 6455, 5.2). */
function textFrameHeader(length: number): Buffer {
  const FINAL_TEXT = 0x81
  if (length < 126) return Buffer.of(FINAL_TEXT, length)
  if (length < 65_536) {
    const header = Buffer.of(FINAL_TEXT, 126, 0, 0)
    header.writeUInt16BE(length, 2)
    return header
  }
  const header = Buffer.alloc(10)
  header.set([FINAL_TEXT, 127])
  header.writeBigUInt64BE(BigInt(length), 2)
  return header
}
