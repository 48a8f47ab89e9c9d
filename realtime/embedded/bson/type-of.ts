// The BSON type of a decoded value. Numbers keep their type, as Int32, Long, Double and Decimal128.
import {
  Binary,
  BSONRegExp,
  BSONSymbol,
  Code,
  Decimal128,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  Timestamp,
  UUID,
} from 'bson'
import { BsonUndefined, DbPointer, Doc, FarDate } from './doc.ts'

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

const classTypes = new Map<unknown, TypeName>([
  [Int32, 'int'],
  [Long, 'long'],
  [Double, 'double'],
  [Decimal128, 'decimal'],
  [ObjectId, 'objectId'],
  [Binary, 'binData'],
  [UUID, 'binData'],
  [Uint8Array, 'binData'],
  [Buffer, 'binData'],
  [Timestamp, 'timestamp'],
  [BSONRegExp, 'regex'],
  [BSONSymbol, 'symbol'],
  [MinKey, 'minKey'],
  [MaxKey, 'maxKey'],
  [DbPointer, 'dbPointer'],
  [BsonUndefined, 'undefined'],
  [Doc, 'object'],
  [Date, 'date'],
  [FarDate, 'date'],
  [Array, 'array'],
  [Object, 'object'],
])

/** The BSON type of a decoded value. */
export function typeOf(value: unknown): TypeName {
  switch (typeof value) {
    case 'string':
      return 'string'
    case 'boolean':
      return 'bool'
    case 'number':
      return value === (value | 0) ? 'int' : 'double'
    case 'undefined':
      return 'missing'
    case 'bigint':
      return 'long'
    default:
  }
  if (value === null) return 'null'
  const { constructor } = value as object
  if (constructor === Code) return (value as Code).scope ? 'javascriptWithScope' : 'javascript'
  return classTypes.get(constructor) ?? 'object'
}

/** Whether the value is a BSON object, as opposed to an array or a scalar. */
export function isDoc(value: unknown): value is Doc {
  return value instanceof Doc
}
