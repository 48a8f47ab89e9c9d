// Extended JSON of the files in `mongo-vectors`, read without a plain object in between, which
// would change the order of fields.
import {
  Binary,
  BSONRegExp,
  Decimal128,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  Timestamp,
} from 'bson'
import { Doc } from '../../realtime/embedded/bson/doc.ts'

/** Stands for a value of this type that the server chose. */
export class Made {
  readonly type: string

  constructor(type: string) {
    this.type = type
  }
}

type Json = Record<string, unknown>

const scalars: Record<string, (value: never) => unknown> = {
  $numberInt: (text: string) => new Int32(Number(text)),
  $numberLong: (text: string) => Long.fromString(text),
  $numberDouble: (text: string) => new Double(Number(text)),
  $numberDecimal: (text: string) => Decimal128.fromString(text),
  $oid: (text: string) => ObjectId.createFromHexString(text),
  $date: (value: Json) => new Date(Number((value as { $numberLong: string }).$numberLong)),
  $timestamp: ({ t, i }: { t: number; i: number }) => new Timestamp({ t, i }),
  $regularExpression: ({ pattern, options }: { pattern: string; options: string }) =>
    new BSONRegExp(pattern, options),
  $binary: ({ base64, subType }: { base64: string; subType: string }) =>
    new Binary(Buffer.from(base64, 'base64'), parseInt(subType, 16)),
  $minKey: () => new MinKey(),
  $maxKey: () => new MaxKey(),
  $made: (type: string) => new Made(type),
  $pairs: (pairs: [string, unknown][]) =>
    Doc.of(pairs.map(([name, value]) => [name, fromJson(value)] as const)),
}

/** A value of parsed Extended JSON as a BSON value. */
export function fromJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromJson)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value)
  const [first] = entries
  if (first && entries.length === 1 && Object.hasOwn(scalars, first[0]))
    return scalars[first[0]]!(first[1] as never)
  return Doc.of(entries.map(([name, field]) => [name, fromJson(field)] as const))
}
