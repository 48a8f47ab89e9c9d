// The BSON type of a decoded value. Numbers keep their type, as Int32, Long, Double and Decimal128.
import * as bson from 'bson'
import { Doc } from './doc.ts'

/**
 * The types as `$type` spells them: their numbers, and the first bytes of the keys of their values.
 * Types that share a byte are comparable with each other. `missing` stands for an absent field.
 */
export const bsonTypes = {
  minKey: [-1, 0x05],
  undefined: [6, 0x08],
  missing: [NaN, 0x0a],
  null: [10, 0x0a],
  int: [16, 0x10],
  long: [18, 0x10],
  double: [1, 0x10],
  decimal: [19, 0x10],
  symbol: [14, 0x20],
  string: [2, 0x20],
  object: [3, 0x28],
  array: [4, 0x30],
  binData: [5, 0x38],
  objectId: [7, 0x40],
  bool: [8, 0x48],
  date: [9, 0x50],
  timestamp: [17, 0x58],
  regex: [11, 0x60],
  dbPointer: [12, 0x68],
  javascript: [13, 0x70],
  javascriptWithScope: [15, 0x78],
  maxKey: [127, 0xf0],
} as const

export type TypeName = keyof typeof bsonTypes

/** Finds a type by its number or its name. Returns undefined for an unknown one. */
export function typeCalled(id: unknown): TypeName | undefined {
  const found = Object.entries(bsonTypes).find(
    ([name, [number]]) => !Number.isNaN(number) && (name === id || number === id),
  )
  return found?.[0] as TypeName | undefined
}

const classTypes = new Map<unknown, TypeName>([
  [bson.Int32, 'int'],
  [bson.Long, 'long'],
  [bson.Double, 'double'],
  [bson.Decimal128, 'decimal'],
  [bson.ObjectId, 'objectId'],
  [bson.Binary, 'binData'],
  [bson.UUID, 'binData'],
  [bson.Timestamp, 'timestamp'],
  [bson.BSONRegExp, 'regex'],
  [bson.MinKey, 'minKey'],
  [bson.MaxKey, 'maxKey'],
  [Doc, 'object'],
  [Date, 'date'],
  [Array, 'array'],
])

/** The BSON type of a decoded value. The only symbol is that of an empty array in an index. */
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
    case 'symbol':
      return 'undefined'
    default:
  }
  if (value === null) return 'null'
  return classTypes.get((value as object).constructor) ?? 'object'
}

export function isDoc(value: unknown): value is Doc {
  return value instanceof Doc
}
