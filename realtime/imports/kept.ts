// Fields of a foreign export that have no place of their own are kept as metadata: under keys and within limits that metadata has, and what
// doesn't fit is named, so that nothing is lost in silence.
import {
  isDeeperThan,
  isObject,
  reservedKeys,
  type Json,
  type JsonObject,
} from '@lockstep/protocol/free-form'
import { limits } from '@lockstep/protocol/limits'
import { byteLength } from '@lockstep/protocol/text'
import type { Fields } from './values.ts'

/** Leaves room for what else is put into the metadata. */
const BUDGET_BYTES = limits.freeFormBytes - 4096
/** Deeper values are kept as JSON text. */
const DEPTH = limits.freeFormDepth - 4
const NAMED = 50

/** `fields` without those that are `known` and those that hold nothing. What is too large or too deep is named in `not_imported`. */
export function toMetadata(fields: Fields, known: readonly string[] = []): JsonObject {
  const left = Object.entries(fields).filter(
    ([name, value]) => !known.includes(name) && !isNothing(value),
  )
  const [deep = [], flat = []] = [true, false].map((is) =>
    left.filter(([, value]) => isDeeperThan(limits.jsonDepth, value) === is),
  )
  const cleaned = flat.map(([name, value]) => [cleanKey(name), cleanValue(value, 1)] as const)
  const sized = cleaned.map(([name, value]) => ({
    name,
    value,
    bytes: byteLength(JSON.stringify({ [name]: value })),
  }))
  sized.sort((a, b) => a.bytes - b.bytes)
  const kept: JsonObject = {}
  const missed = deep.map(([name]) => name)
  let bytes = 0
  for (const { name, value, bytes: own } of sized) {
    bytes += own
    if (bytes <= BUDGET_BYTES) kept[name] = value
    else missed.push(name)
  }
  if (missed.length > 0)
    kept.not_imported = missed.slice(0, NAMED).map((name) => name.slice(0, 60).toWellFormed())
  return kept
}

const isNothing = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === '' ||
  (Array.isArray(value) && value.length === 0) ||
  (isObject(value) && Object.keys(value).length === 0)

function cleanKey(key: string): string {
  const cleaned = key.toWellFormed().replace(/^\$+/, '_').replace(/[.\0]/g, '_')
  return reservedKeys.has(cleaned) ? cleaned.replace(/^_+/, '') : cleaned
}

function cleanValue(value: unknown, depth: number): Json {
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value === 'boolean') return value
  if (typeof value !== 'object' || value === null) return null
  if (depth > DEPTH) return JSON.stringify(value).toWellFormed()
  if (Array.isArray(value)) return value.map((item) => cleanValue(item, depth + 1))
  const entries = Object.entries(value).filter(([, inner]) => inner !== null && inner !== undefined)
  return Object.fromEntries(
    entries.map(([key, inner]) => [cleanKey(key), cleanValue(inner, depth + 1)]),
  )
}
