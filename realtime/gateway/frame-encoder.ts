// Encodes what the server sends. An ack of megabytes is written in turns beforehand, which the
// library can't do: it takes the text as it is.
import { Encoder, PacketType, type Packet } from 'socket.io-parser'

/** The only argument of an ack, as JSON. */
export class WrittenAck {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export class FrameEncoder extends Encoder {
  override encode(packet: Packet): unknown[] {
    const { type, nsp, id, data } = packet
    const [ack]: unknown[] = Array.isArray(data) ? data : []
    if (type !== PacketType.ACK || !(ack instanceof WrittenAck)) return super.encode(packet)
    return [`${PacketType.ACK}${nsp},${id}[${ack.text}]`]
  }
}
