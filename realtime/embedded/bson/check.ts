// Checks bytes from outside once, so that all other code can read them without checks.
import { hasLength, sizeOfValue } from './doc.ts'

/** What is wrong with bytes that should be BSON. `depth`: they are nested too deeply. */
export class BsonError extends Error {
  readonly reason: 'malformed' | 'depth'

  constructor(reason: 'malformed' | 'depth', message: string) {
    super(message)
    this.reason = reason
  }
}

/** How deeply a command may be nested. A stored document has a smaller limit. */
const MAX_DEPTH = 200

/** Throws a `BsonError` unless the bytes are one whole document. Returns its depth. */
export function checkBson(bytes: Uint8Array): number {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  return checkDocument(buffer, 0, bytes.length, 1)
}

function malformed(): BsonError {
  return new BsonError('malformed', 'not a BSON document')
}

function checkDocument(bytes: Buffer, from: number, limit: number, depth: number): number {
  if (depth > MAX_DEPTH)
    throw new BsonError('depth', `BSONObj exceeded maximum nested object depth: ${MAX_DEPTH}`)
  if (limit - from < 5) throw malformed()
  const end = from + bytes.readInt32LE(from) - 1
  if (end !== limit - 1 || bytes[end] !== 0) throw malformed()
  let deepest = depth
  for (let start = from + 4; start < end;) {
    const type = bytes[start]!
    const at = bytes.indexOf(0, start + 1) + 1
    if (at === 0 || at > end) throw malformed()
    const size = checkedSize(bytes, type, at, end)
    if (type === 0x03 || type === 0x04)
      deepest = Math.max(deepest, checkDocument(bytes, at, at + size, depth + 1))
    if (type === 0x0f) {
      const scopeAt = at + 8 + bytes.readInt32LE(at + 4)
      deepest = Math.max(deepest, checkDocument(bytes, scopeAt, at + size, depth + 1))
    }
    start = at + size
  }
  return deepest
}

const hasText = new Set([0x02, 0x0c, 0x0d, 0x0e])

function checkedSize(bytes: Buffer, type: number, at: number, end: number): number {
  let size: number
  try {
    if (hasLength(type) && (at + 4 > end || bytes.readInt32LE(at) < 0)) throw malformed()
    if (type === 0x0b && bytes.indexOf(0, bytes.indexOf(0, at) + 1) < at) throw malformed()
    size = sizeOfValue(bytes, type, at)
  } catch {
    throw malformed()
  }
  if (size < 0 || at + size > end) throw malformed()
  if (hasText.has(type)) checkText(bytes, at, end)
  if (type === 0x0f) {
    if (size < 14) throw malformed()
    checkText(bytes, at + 4, at + size - 5)
  }
  if (type === 0x08 && bytes[at]! > 1) throw malformed()
  return size
}

/** A text has its length before it and a NUL after it. */
function checkText(bytes: Buffer, at: number, end: number): void {
  const length = bytes.readInt32LE(at)
  if (length < 1 || at + 4 + length > end || bytes[at + 3 + length] !== 0) throw malformed()
}
