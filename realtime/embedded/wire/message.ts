// Messages of the wire protocol. Nothing malformed gets past this file: a frame that can't be
// parsed closes its connection, as in a mongod.
import { checkBson, Doc } from '../bson/doc.ts'
import { encodeAfter, type Plain } from '../bson/encode.ts'
import { ServerError } from '../errors.ts'

const OP_REPLY = 1
const OP_QUERY = 2004
const OP_MSG = 2013
const CHECKSUM_PRESENT = 1
const MORE_TO_COME = 2
const EXHAUST_ALLOWED = 1 << 16

/** The size of the largest frame that is accepted: 48 MB. */
export const MAX_MESSAGE_BYTES = 48_000_000

export interface WireMessage {
  readonly requestId: number
  readonly command: Doc
  readonly name: string
  readonly db: string
  /** The documents that came in sequences of their own, by field. */
  readonly sequences: ReadonlyMap<string, readonly Doc[]>
  /** Why the command can't be run, if its documents are nested too deeply. */
  readonly problem: ServerError | undefined
  readonly unacknowledged: boolean
  /** The client takes further replies without asking again. */
  readonly exhaust: boolean
  /** The command came as a legacy OP_QUERY and needs a reply of that kind. */
  readonly legacy: boolean
}

export function parseMessage(frame: Buffer): WireMessage {
  const opCode = frame.readInt32LE(12)
  const message = { requestId: frame.readInt32LE(4), sequences: new Map<string, Doc[]>() }
  const checked = new CheckedDocuments()
  if (opCode === OP_QUERY) {
    const nameEnd = frame.indexOf(0, 20)
    const command = checked.read(sized(frame, nameEnd + 9))
    const db = frame.toString('utf8', 20, nameEnd).split('.')[0]!
    const { problem } = checked
    const kind = { legacy: true, unacknowledged: false, exhaust: false }
    return { ...message, ...kind, command, name: command.firstName, db, problem }
  }
  if (opCode !== OP_MSG) throw new Error(`unsupported opcode ${opCode}`)
  const flags = frame.readUInt32LE(16)
  if (flags & 0xffff & ~(CHECKSUM_PRESENT | MORE_TO_COME)) throw new Error('unknown required flag')
  const sections = flags & CHECKSUM_PRESENT ? frame.subarray(0, -4) : frame
  let body: Buffer | undefined
  for (let at = 20; at < sections.length;) {
    const kind = sections[at++]
    const section = sized(sections, at)
    if (kind === 0) body = section
    else if (kind === 1) message.sequences.set(...parseSequence(section.subarray(4), checked))
    else throw new Error(`unknown section kind ${kind}`)
    at += section.length
  }
  if (!body) throw new Error('a message without a body')
  const command = checked.read(body)
  const given = command.get('$db')
  const db = typeof given === 'string' ? given : ''
  const { problem } = checked
  const has = (flag: number) => (flags & flag) !== 0
  const exhaust = has(EXHAUST_ALLOWED)
  const kind = { legacy: false, unacknowledged: has(MORE_TO_COME), exhaust }
  return { ...message, ...kind, command, name: command.firstName, db, problem }
}

/** The part of a message that begins with its own size. */
function sized(bytes: Buffer, at: number): Buffer {
  const size = bytes.readInt32LE(at)
  if (size < 5 || at + size > bytes.length) throw new Error('a part does not fit its message')
  return bytes.subarray(at, at + size)
}

/** Reads documents of a message. One that has to be refused is left out. */
class CheckedDocuments {
  problem: ServerError | undefined

  read(bytes: Uint8Array): Doc {
    try {
      checkBson(bytes)
      return Doc.read(bytes)
    } catch (error) {
      if (!(error instanceof ServerError)) throw error
      this.problem ??= error
      return Doc.empty
    }
  }
}

function parseSequence(section: Buffer, checked: CheckedDocuments): [string, Doc[]] {
  const nameEnd = section.indexOf(0)
  const documents: Doc[] = []
  for (let at = nameEnd + 1; at < section.length;) {
    const document = sized(section, at)
    documents.push(checked.read(document))
    at += document.length
  }
  return [section.toString('utf8', 0, nameEnd), documents]
}

let nextId = 1

/** @param more another reply to the same message follows */
export function composeReply(
  { requestId, legacy }: WireMessage,
  reply: Plain,
  more = false,
): Buffer {
  const head = Buffer.alloc(legacy ? 36 : 21)
  head.writeInt32LE(nextId++ | 0, 4)
  head.writeInt32LE(requestId, 8)
  head.writeInt32LE(legacy ? OP_REPLY : OP_MSG, 12)
  if (legacy) {
    head.writeInt32LE(8, 16)
    head.writeInt32LE(1, 32)
  } else if (more) head.writeInt32LE(MORE_TO_COME, 16)
  const frame = encodeAfter(head, reply)
  frame.writeInt32LE(frame.length, 0)
  return frame
}

/** Collects chunks of bytes and returns complete frames. */
export class FrameReader {
  #chunks: Buffer[] = []
  #length = 0
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Returns the frames that are complete now. Throws if a length is impossible. */
  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    const frames: Buffer[] = []
    for (;;) {
      if (this.#length < 16) return frames
      const first = this.#chunks[0]!.length >= 4 ? this.#chunks[0]! : this.#joined()
      const size = first.readInt32LE(0)
      if (size < 16 || size > this.#limit) throw new Error(`impossible frame length ${size}`)
      if (this.#length < size) return frames
      const all = this.#joined()
      frames.push(all.subarray(0, size))
      this.#chunks = size < all.length ? [all.subarray(size)] : []
      this.#length -= size
    }
  }

  #joined(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0]!
  }
}
