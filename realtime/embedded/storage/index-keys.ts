// Index definitions, and the keys of a document in an index. A set of keys is never too small: it
// contains everything that the bounds of a query could find, with one key for each array element,
// and with null for a missing field.
import { Doc } from '../bson/doc.ts'
import { toNumber } from '../bson/numbers.ts'
import { compoundKey, emptyArray } from '../bson/order.ts'
import { isDoc } from '../bson/type-of.ts'
import { refusal, type CodeName } from '../errors.ts'
import { parseFilter, type Filter } from '../query/filter.ts'

export interface IndexKey {
  readonly bytes: Buffer
  readonly values: readonly unknown[]
}

/** The distinct keys of a document. `multikey[i]`: an array at field i made several keys. */
export interface KeySet {
  readonly keys: IndexKey[]
  readonly multikey: readonly boolean[]
}

export const noKeys: KeySet = { keys: [], multikey: [] }

/** The part of an index definition that determines keys. */
export interface KeyPattern {
  readonly fields: readonly string[]
  readonly paths: readonly (readonly string[])[]
  readonly descending: readonly boolean[]
}

/** The pattern of `{field: direction, …}`. */
export function patternOf({ fields }: Doc, directionOf: (field: string, of: unknown) => number) {
  const names = fields.map(({ name }) => name)
  const descending = fields.map(({ name, value }) => directionOf(name, value) < 0)
  return { fields: names, paths: names.map((field) => field.split('.')), descending }
}

/** A document that a partial or sparse index leaves out has no keys in it. */
export function keySetOf(index: IndexSpec, doc: Doc): KeySet {
  const isMember = index.partial?.matches(doc) ?? true
  const set = isMember ? keysOf(doc, index) : undefined
  const isMissing = ({ values }: IndexKey): boolean => values.every((value) => value === undefined)
  if (!set || (index.sparse && set.keys.every(isMissing))) return noKeys
  return set
}

interface FieldWalk {
  value: unknown
  rest: readonly string[]
  /** The value is an array element. If it is an array itself, it is a single key value. */
  expanded: boolean
}

/** Refuses documents in which two fields of the index have different arrays. */
export function keysOf(doc: Doc, pattern: KeyPattern): KeySet {
  const multikey = pattern.paths.map(() => false)
  const tuples: unknown[][] = []
  // Fields may share an array; each field is decoded once, so that it is the same for all.
  const value = pattern.paths.length > 1 ? Doc.from(doc.fields) : doc
  const walks = pattern.paths.map((rest) => ({ value, rest, expanded: false }))
  expand(walks, multikey, tuples)
  const keys = tuples.map((values) => ({ values, bytes: compoundKey(values, pattern.descending) }))
  return { keys: keys.length > 1 ? withoutRepetition(keys) : keys, multikey }
}

function withoutRepetition(keys: IndexKey[]): IndexKey[] {
  const seen = new Map<string, IndexKey>()
  for (const key of keys) seen.set(key.bytes.toString('latin1'), key)
  return [...seen.values()]
}

function expand(walks: FieldWalk[], multikey: boolean[], tuples: unknown[][]): void {
  for (const walk of walks) advance(walk)
  const open = walks.filter((walk) => Array.isArray(walk.value) && !walk.expanded)
  if (open.length === 0) {
    tuples.push(walks.map((walk) => walk.value))
    return
  }
  const array = open[0]!.value as unknown[]
  if (open.some((walk) => walk.value !== array)) {
    throw refusal('CannotIndexParallelArrays', 'cannot index parallel arrays')
  }
  walks.forEach((walk, at) => {
    if (open.includes(walk)) multikey[at] = true
  })
  const elements = array.length === 0 ? [emptyArray] : array
  for (const element of elements) {
    const next = walks.map((walk) => (open.includes(walk) ? into(walk, element) : { ...walk }))
    expand(next, multikey, tuples)
  }
}

function into(walk: FieldWalk, element: unknown): FieldWalk {
  const { rest } = walk
  if (rest.length === 0) return { value: element, rest, expanded: true }
  if (!isDoc(element)) return { value: undefined, rest: [], expanded: false }
  return { value: element, rest, expanded: false }
}

function advance(walk: FieldWalk): void {
  while (walk.rest.length > 0) {
    const [name, ...rest] = walk.rest as [string, ...string[]]
    if (isDoc(walk.value)) {
      walk.value = walk.value.get(name)
    } else if (Array.isArray(walk.value) && /^\d+$/.test(name)) {
      walk.value = walk.value[Number(name)]
    } else {
      if (!Array.isArray(walk.value)) [walk.value, walk.rest] = [undefined, []]
      return
    }
    walk.rest = rest
  }
}

/** `source` is the definition that is stored and that `listIndexes` shows. */
export interface IndexSpec extends KeyPattern {
  readonly source: Doc
  readonly name: string
  readonly keyPattern: Doc
  readonly unique: boolean
  readonly sparse: boolean
  /** Which documents a partial index has. */
  readonly partial: Filter | undefined
  /** How long a document lives after the date in the index's only field, in seconds. */
  readonly expireAfterSeconds: number | undefined
}

/** The options that are stored, in the order of `listIndexes`. */
const storedOptions = ['unique', 'sparse', 'partialFilterExpression', 'expireAfterSeconds']
const knownOptions = [
  'v',
  'key',
  'name',
  'ns',
  'background',
  'hidden',
  'collation',
  ...storedOptions,
]

function need(holds: boolean, message: string, code: CodeName = 'CannotCreateIndex'): void {
  if (!holds) throw refusal(code, message)
}

/** Parses a definition. Refuses what the engine can't do. */
export function parseIndexSpec(source: Doc): IndexSpec {
  const keyPattern = source.get('key')
  if (!isDoc(keyPattern)) throw refusal('FailedToParse', "An index needs the field 'key'")
  const pattern = patternOf(keyPattern, directionOf)
  const { fields } = pattern
  need(fields.length > 0 && fields.length <= 32, 'An index needs 1 to 32 fields')
  const name = source.get('name')
  if (typeof name !== 'string' || name === '' || name === '*')
    throw refusal('CannotCreateIndex', 'An index needs a name')
  const isId = fields.join() === '_id'
  checkOptions(source, isId)
  const partial = source.get('partialFilterExpression')
  const options = storedOptions.map((option): [string, unknown] => [option, source.get(option)])
  const stored = [['v', 2], ['key', keyPattern], ['name', name], ...options] as const
  return {
    source: Doc.of(stored.filter(([, value]) => value !== undefined)),
    name,
    keyPattern,
    ...pattern,
    unique: source.get('unique') === true || isId,
    sparse: source.get('sparse') === true,
    partial: isDoc(partial) ? parsePartial(partial) : undefined,
    expireAfterSeconds: expiryOf(source.get('expireAfterSeconds'), fields),
  }
}

/** The filters that MongoDB 5.0 allows in a partial index. */
function parsePartial(given: Doc): Filter {
  const filter = parseFilter(given)
  checkPartial(filter, true)
  return filter
}

function checkPartial(filter: Filter, top: boolean): void {
  if (filter.kind === 'and' && top)
    return filter.filters.forEach((part) => checkPartial(part, part.kind === 'and'))
  const isAllowed = ['compare', 'exists', 'type'].includes(filter.kind)
  need(isAllowed, `unsupported expression in partial index: ${filter.kind}`)
}

function directionOf(field: string, given: unknown): number {
  const parts = field.split('.')
  const isPlain = parts.every((part) => part !== '' && !part.startsWith('$'))
  need(isPlain, `an index of the field '${field}' is not supported`)
  const direction = typeof given === 'string' ? NaN : (toNumber(given) ?? NaN)
  need(direction > 0 || direction < 0, 'An index needs positive or negative numbers for its fields')
  return direction
}

function checkOptions(given: Doc, isId: boolean): void {
  for (const { name, value } of given.fields)
    need(
      knownOptions.includes(name) && !(isId && storedOptions.includes(name) && value !== false),
      `The field '${name}' is not valid for ${isId ? 'an _id' : 'an'} index specification.`,
      'InvalidIndexSpecificationOption',
    )
  for (const option of ['unique', 'sparse']) {
    const isBoolean = ['boolean', 'undefined'].includes(typeof given.get(option))
    need(isBoolean, `The field '${option}' must be a boolean`, 'TypeMismatch')
  }
  const partial = given.get('partialFilterExpression')
  if (partial === undefined) return
  need(isDoc(partial), "The field 'partialFilterExpression' must be an object", 'TypeMismatch')
  need(given.get('sparse') !== true, 'cannot mix "partialFilterExpression" and "sparse" options')
}

function expiryOf(given: unknown, fields: readonly string[]): number | undefined {
  if (given === undefined) return undefined
  const seconds = toNumber(given) ?? NaN
  need(seconds >= 0 && seconds < 2 ** 31, 'expireAfterSeconds must be from 0 to 2147483647')
  need(fields.length === 1, 'An index with expireAfterSeconds has one field')
  return seconds
}
