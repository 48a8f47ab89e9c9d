// Keeps the fields of an export that Lockstep has no field for, as metadata. Keys and values are
// changed to what metadata allows. Whatever doesn't fit is named in `not_imported`, so that no loss
// goes unnoticed. Secrets are named there too, and their values are kept nowhere.
import {
  isDeeperThan,
  isObject,
  reservedKeys,
  type Json,
  type JsonObject,
} from '@lockstep/protocol/free-form'
import { limits } from '@lockstep/protocol/limits'
import { byteLength, firstCharacters } from '@lockstep/protocol/text'
import { isEmpty, type Fields } from './foreign-values.ts'
import { isSecret, mayHoldSecrets, secretName } from './secrets.ts'
import type { SourceLink } from './source-links.ts'

/** The most bytes of metadata. The rest of the limit is for what is added later. */
const MAX_BYTES = limits.freeFormBytes - 4096
/** Values below this level are kept as JSON text. */
const MAX_DEPTH = limits.freeFormDepth - 4
/** Texts of a field that doesn't fit are shortened to this many characters. */
const SHORTENED = 400
/** A field in which more than this would be shortened is named as a whole. */
const MAX_SHORTENED_NAMES = 10
/** A list whose elements have more fields than this is named as a whole. */
const MAX_INNER_NAMES = 100
/** The most characters of a name in `not_imported`. */
const MAX_NAME = 200

/** The metadata that Lockstep itself reads. */
export interface OwnMetadata {
  model?: string | undefined
  thinking?: string | undefined
  thinking_ms?: number | undefined
  sources?: readonly SourceLink[]
  imported_from?: { id: string } | undefined
}

/** Names that Lockstep uses itself. A field of an export with such a name gets another name. */
const ownNames: ReadonlySet<string> = new Set([
  'thinking',
  'thinking_ms',
  'sources',
  'imported_from',
  'import_unfinished',
  'imported_part',
  'not_imported',
  'agent',
  'run_id',
  'reason_code',
])

interface KeptField {
  /** The name of the field in the export. */
  given: string
  name: string
  value: Json
  bytes: number
}

/**
 * Keeps all fields that aren't empty. Of those in `rest`, small ones are kept first.
 * @param lost the names of what has been left out already
 */
export function toMetadata(
  own: OwnMetadata,
  rest: Fields,
  lost: readonly string[] = [],
): JsonObject {
  const notImported = new NameList(lost)
  const names = new NameSet()
  const clean = ([given, value]: [string, unknown], isOwn: boolean): KeptField[] => {
    if (isEmpty(value)) return []
    if (isDeeperThan(limits.jsonDepth, value)) {
      notImported.add(given)
      return []
    }
    const cleaned = cleanField(given, value, given, 1, notImported)
    if (cleaned === undefined) return []
    const isTaken = !isOwn && ownNames.has(cleanKey(given))
    const name = names.add(isTaken ? `original_${cleanKey(given)}` : cleanKey(given))
    return [{ given, name, value: cleaned, bytes: bytesOf(name, cleaned) }]
  }
  const ownFields = Object.entries(own).flatMap((field) => clean(field, true))
  const otherFields = Object.entries(rest).flatMap((field) => clean(field, false))
  otherFields.sort((a, b) => a.bytes - b.bytes)
  return fit([...ownFields, ...otherFields], notImported)
}

const bytesOf = (name: string, value: Json): number => byteLength(JSON.stringify({ [name]: value }))

/** Names of what is lost, each of them once. */
class NameList {
  readonly #names = new Set<string>()
  bytes = 0

  constructor(names: readonly string[]) {
    for (const name of names) this.add(name)
  }

  add(given: string): void {
    const name = firstCharacters(given.toWellFormed(), MAX_NAME)
    if (this.#names.has(name)) return
    this.#names.add(name)
    this.bytes += byteLength(JSON.stringify(name)) + 1
  }

  /** As many names as fit, and how many others there are. */
  within(maxBytes: number): string[] {
    const listed: string[] = []
    let bytes = 0
    for (const name of this.#names) {
      bytes += byteLength(JSON.stringify(name)) + 1
      if (bytes > maxBytes) return [...listed, `and ${this.#names.size - listed.length} more`]
      listed.push(name)
    }
    return listed
  }
}

/** Keeps the first fields, as many as fit beside the names of the others. */
function fit(fields: readonly KeptField[], notImported: NameList): JsonObject {
  const kept: KeptField[] = []
  let bytes = 0
  const keepIfItFits = (field: KeptField | undefined): boolean => {
    if (!field || bytes + field.bytes + notImported.bytes > MAX_BYTES) return false
    bytes += field.bytes
    kept.push(field)
    return true
  }
  for (const field of fields) {
    if (keepIfItFits(field)) continue
    const names = new Set<string>()
    if (!keepIfItFits(shorten(field, names)) || names.size > MAX_SHORTENED_NAMES)
      for (const name of namesOf(field)) notImported.add(name)
    else for (const name of names) notImported.add(name)
  }
  // the names take bytes too
  while (bytes + notImported.bytes > MAX_BYTES && kept.length > 0) {
    const dropped = kept.pop()!
    bytes -= dropped.bytes
    for (const name of namesOf(dropped)) notImported.add(name)
  }
  const metadata = Object.fromEntries(kept.map(({ name, value }) => [name, value]))
  const names = notImported.within(MAX_BYTES - bytes)
  return { ...metadata, ...(names.length > 0 && { not_imported: names }) }
}

/** The names of what is lost with a field; for a list of objects, the names of their fields. */
function namesOf({ given, value }: KeptField): string[] {
  const names = new Set<string>()
  for (const element of Array.isArray(value) ? value : [])
    if (isObject(element)) for (const name of Object.keys(element)) names.add(name)
  const isLegible = names.size > 0 && names.size <= MAX_INNER_NAMES
  return isLegible ? [...names].map((name) => `${given}[].${name}`) : [given]
}

/** Shortens the long texts in a field, and adds their names. */
function shorten({ given, name, value }: KeptField, names: Set<string>): KeptField {
  const shortenValue = (inner: Json, path: string): Json => {
    if (typeof inner === 'string' && inner.length > SHORTENED) {
      names.add(path)
      return `${firstCharacters(inner, SHORTENED)}…`
    }
    if (Array.isArray(inner)) return inner.map((element) => shortenValue(element, `${path}[]`))
    if (!isObject(inner)) return inner
    const entries = Object.entries(inner)
    return Object.fromEntries(
      entries.map(([key, each]) => [key, shortenValue(each, `${path}.${key}`)]),
    )
  }
  const shortened = shortenValue(value, given)
  return { given, name, value: shortened, bytes: bytesOf(name, shortened) }
}

/** Names of one object, each of them once. */
class NameSet {
  /**
   * The highest number tried for each name. It saves trying all of them again when many fields of
   * an object have one name.
   */
  readonly #wanted = new Map<string, number>()

  /** This name, or the name with a number if another field has it. */
  add(name: string): string {
    let count = this.#wanted.get(name) ?? 0
    let unused = name
    for (; this.#wanted.has(unused); unused = `${name}_${count}`) count++
    this.#wanted.set(name, Math.max(count, 1))
    if (unused !== name) this.#wanted.set(unused, 1)
    return unused
  }
}

function cleanKey(key: string): string {
  const cleaned = key.toWellFormed().replace(/^\$+/, '_').replace(/[.\0]/g, '_')
  return reservedKeys.has(cleaned) ? cleaned.replace(/^_+/, '') : cleaned
}

/** Undefined: it is a secret. */
function cleanField(
  key: string,
  value: unknown,
  path: string,
  depth: number,
  notImported: NameList,
): Json | undefined {
  if (isSecret(key, value)) return void notImported.add(secretName(path))
  return cleanValue(value, path, depth, notImported)
}

function cleanValue(value: unknown, path: string, depth: number, notImported: NameList): Json {
  if (typeof value === 'string') return cleanText(value.toWellFormed(), path, notImported)
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value === 'boolean') return value
  if (typeof value !== 'object' || value === null) return null
  const cleaned = Array.isArray(value)
    ? value.map((item) => cleanValue(item, `${path}[]`, depth + 1, notImported))
    : cleanObject(value, path, depth + 1, notImported)
  return depth === MAX_DEPTH + 1 ? JSON.stringify(cleaned) : cleaned
}

function cleanObject(
  value: object,
  path: string,
  depth: number,
  notImported: NameList,
): JsonObject {
  const names = new NameSet()
  const entries: [string, Json][] = []
  for (const [key, inner] of Object.entries(value) as [string, unknown][]) {
    if (inner === null || inner === undefined) continue
    const cleaned = cleanField(key, inner, `${path}.${key}`, depth, notImported)
    if (cleaned !== undefined) entries.push([names.add(cleanKey(key)), cleaned])
  }
  return Object.fromEntries(entries)
}

/** A text may be JSON, such as the settings of an app or the arguments of a tool. */
function cleanText(text: string, path: string, notImported: NameList): string {
  if (!mayHoldSecrets(text)) return text
  try {
    const value = JSON.parse(text) as unknown
    if (isDeeperThan(limits.jsonDepth, value)) return text
    const found = new NameList([])
    const cleaned = cleanValue(value, path, 1 - limits.jsonDepth, found)
    const secrets = found.within(Infinity)
    if (secrets.length === 0) return text
    for (const name of secrets) notImported.add(name)
    return JSON.stringify(cleaned)
  } catch {
    return text
  }
}
