// Keeps the fields of an export that Lockstep has no field for, as metadata. Keys and values are
// changed to what metadata allows. Fields that don't fit are listed by name, so that no loss goes
// unnoticed.
import {
  isDeeperThan,
  isObject,
  reservedKeys,
  type Json,
  type JsonObject,
} from '@lockstep/protocol/free-form'
import { limits } from '@lockstep/protocol/limits'
import { byteLength } from '@lockstep/protocol/text'
import type { Fields } from './foreign-values.ts'

/** The most bytes of kept fields. The rest of the limit is for what the import adds. */
const MAX_BYTES = limits.freeFormBytes - 4096
/** Values below this level are kept as JSON text. */
const MAX_DEPTH = limits.freeFormDepth - 4
/** The most names in `not_imported`. */
const MAX_NAMES = 50

/**
 * Keeps all fields except those in `known` and those that are empty. `not_imported` lists the names
 * of fields that are too large or too deep. Small fields are kept first.
 */
export function toMetadata(fields: Fields, known: readonly string[] = []): JsonObject {
  const unknown = Object.entries(fields).filter(
    ([name, value]) => !known.includes(name) && !isEmpty(value),
  )
  const { tooDeep = [], fine = [] } = Object.groupBy(unknown, ([, value]) =>
    isDeeperThan(limits.jsonDepth, value) ? 'tooDeep' : 'fine',
  )
  const notImported = tooDeep.map(([name]) => name)
  const cleaned = fine
    .map(([name, value]) => {
      const field = { name: cleanKey(name), value: cleanValue(value, 1) }
      return { ...field, bytes: byteLength(JSON.stringify({ [field.name]: field.value })) }
    })
    .sort((a, b) => a.bytes - b.bytes)
  const metadata: JsonObject = {}
  let total = 0
  for (const { name, value, bytes } of cleaned) {
    total += bytes
    if (total <= MAX_BYTES) metadata[name] = value
    else notImported.push(name)
  }
  if (notImported.length > 0)
    metadata.not_imported = notImported
      .slice(0, MAX_NAMES)
      .map((name) => name.slice(0, 60).toWellFormed())
  return metadata
}

const isEmpty = (value: unknown): boolean =>
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
  if (depth > MAX_DEPTH) return JSON.stringify(value).toWellFormed()
  if (Array.isArray(value)) return value.map((item) => cleanValue(item, depth + 1))
  const entries = Object.entries(value).filter(([, inner]) => inner !== null && inner !== undefined)
  return Object.fromEntries(
    entries.map(([key, inner]) => [cleanKey(key), cleanValue(inner, depth + 1)]),
  )
}
