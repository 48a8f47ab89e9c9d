// Checks bytes from outside once, so that all other code can read them without checks.
import { refusal } from '../errors.ts'
import { hasLength, sizeOfValue, unsupportedType } from './doc.ts'

/** How deeply a command may be nested. A stored document has a smaller limit. */
const MAX_DEPTH = 200
/** The milliseconds of JavaScript's last date. */
const LAST_DATE = 8_640_000_000_000_000n
const deprecatedTypes = new Set([0x06, 0x0c, 0x0d, 0x0e, 0x0f])

/**
 * Throws unless the bytes are one whole document, and refuses nesting and values that the engine
 * doesn't support. Returns the depth of the document.
 */
export function checkBson(bytes: Uint8Array): number {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  return checkDocument(buffer, 0, bytes.length, 1)
}

const malformed = (): Error => new Error('not a BSON document')

function checkDocument(bytes: Buffer, from: number, limit: number, depth: number): number {
  if (depth > MAX_DEPTH)
    throw refusal('Overflow', `BSONObj exceeded maximum nested object depth: ${MAX_DEPTH}`)
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
    start = at + size
  }
  return deepest
}

function checkedSize(bytes: Buffer, type: number, at: number, end: number): number {
  if (deprecatedTypes.has(type)) throw unsupportedType(type)
  let size: number
  try {
    if (hasLength(type) && (at + 4 > end || bytes.readInt32LE(at) < 0)) throw malformed()
    if (type === 0x0b && bytes.indexOf(0, bytes.indexOf(0, at) + 1) < at) throw malformed()
    size = sizeOfValue(bytes, type, at)
  } catch {
    throw malformed()
  }
  if (size < 0 || at + size > end) throw malformed()
  // A text has its length before it and a NUL after it.
  if (type === 0x02 && (size < 5 || bytes[at + size - 1] !== 0)) throw malformed()
  if (type === 0x08 && bytes[at]! > 1) throw malformed()
  if (type === 0x09) checkDate(bytes.readBigInt64LE(at))
  // MongoDB puts the present time in the place of some.
  if (type === 0x11 && bytes.readBigInt64LE(at) === 0n)
    throw refusal('NotImplemented', 'an empty timestamp is not supported')
  return size
}

function checkDate(ms: bigint): void {
  if (ms > LAST_DATE || ms < -LAST_DATE)
    throw refusal('NotImplemented', "a date beyond JavaScript's is not supported")
}
