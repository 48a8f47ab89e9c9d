// The only place where bytes become values and values become bytes. Numbers keep their BSON type
// (as Int32, Long and Double objects), so a field that a command does not touch is written exactly
// as it was read.
import { DBRef, deserialize, serialize } from 'bson'

/**
 * A decoded BSON document. Its numbers are Int32, Long, Double and Decimal128 objects, its binary
 * data are `Binary` objects.
 */
export type Doc = Record<string, unknown>

const exactOptions = {
  promoteValues: false,
  promoteLongs: false,
  promoteBuffers: false,
  bsonRegExp: true,
} as const
const plainOptions = {
  promoteValues: true,
  promoteLongs: true,
  promoteBuffers: false,
  bsonRegExp: true,
} as const

/**
 * Decodes a document and keeps the type of every number. The documents in the array `rawField` stay
 * bytes.
 */
export function decode(bytes: Uint8Array, rawField?: string): Doc {
  if (rawField === undefined) return deserialize(bytes, exactOptions)
  return deserialize(bytes, { ...exactOptions, fieldsAsRaw: { [rawField]: true } })
}

/** Decodes a document with plain JavaScript numbers. */
export function decodePlain(bytes: Uint8Array): Doc {
  return deserialize(bytes, plainOptions)
}

/**
 * Encodes a document. A plain number becomes an int if it fits into 32 bits, otherwise a double.
 */
export function encode(doc: Doc): Uint8Array {
  return serialize(doc, { ignoreUndefined: false, checkKeys: false })
}

/**
 * The name of a document's first field, which is read without decoding the document; '' if there is
 * no field.
 */
export function firstFieldName(bytes: Uint8Array): string {
  if (bytes.length <= 5) return ''
  const end = bytes.indexOf(0, 5)
  return Buffer.from(bytes.buffer, bytes.byteOffset + 5, end - 5).toString('utf8')
}

/** Sets an own field of any name. `__proto__` is an ordinary field here and never the prototype. */
export function setField(doc: Doc, name: string, value: unknown): void {
  if (name === '__proto__') {
    Object.defineProperty(doc, name, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    })
  } else {
    doc[name] = value
  }
}

/** The value of an own field; undefined if it is missing. Inherited names count as missing. */
export function getField(doc: Doc, name: string): unknown {
  if (doc instanceof DBRef) return fieldsOf(doc)[name]
  return Object.hasOwn(doc, name) ? doc[name] : undefined
}

/** The fields of an object. Those of a DBRef are the fields that its BSON has. */
export function fieldsOf(value: Doc): Doc {
  if (!(value instanceof DBRef)) return value
  const { collection, oid, db, fields } = value
  return { $ref: collection, $id: oid, ...(db === undefined ? {} : { $db: db }), ...fields }
}

/**
 * Whether the value is a BSON object, as opposed to an array or an instance of a BSON scalar class.
 */
export function isDoc(value: unknown): value is Doc {
  return typeof value === 'object' && value !== null && typeOf(value) === 'object'
}

/** The names of BSON types as `$type` spells them. `missing` stands for an absent field. */
export type TypeName =
  | 'missing'
  | 'minKey'
  | 'undefined'
  | 'null'
  | 'int'
  | 'long'
  | 'double'
  | 'decimal'
  | 'symbol'
  | 'string'
  | 'object'
  | 'array'
  | 'binData'
  | 'objectId'
  | 'bool'
  | 'date'
  | 'timestamp'
  | 'regex'
  | 'javascript'
  | 'javascriptWithScope'
  | 'dbPointer'
  | 'maxKey'

const classTypes: Record<string, TypeName> = {
  Int32: 'int',
  Long: 'long',
  Double: 'double',
  Decimal128: 'decimal',
  ObjectId: 'objectId',
  Binary: 'binData',
  Timestamp: 'timestamp',
  BSONRegExp: 'regex',
  BSONSymbol: 'symbol',
  Code: 'javascript',
  MinKey: 'minKey',
  MaxKey: 'maxKey',
  DBRef: 'object',
}

/** The BSON type of a decoded value. */
export function typeOf(value: unknown): TypeName {
  switch (typeof value) {
    case 'string':
      return 'string'
    case 'boolean':
      return 'bool'
    case 'number':
      return Number.isInteger(value) && value === (value | 0) ? 'int' : 'double'
    case 'undefined':
      return 'missing'
    case 'bigint':
      return 'long'
    default:
  }
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (value instanceof Date) return 'date'
  if (value instanceof RegExp) return 'regex'
  const tag = (value as { _bsontype?: unknown })._bsontype
  // The BSON classes have this field on their prototypes. As an own field it is a user's data.
  if (typeof tag !== 'string' || Object.hasOwn(value as object, '_bsontype'))
    return value instanceof Uint8Array ? 'binData' : 'object'
  const name = classTypes[tag] ?? 'object'
  return name === 'javascript' && (value as { scope?: unknown }).scope
    ? 'javascriptWithScope'
    : name
}
