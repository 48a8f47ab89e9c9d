// Arithmetic on BSON numbers by the rules of MongoDB's update operators: the wider type wins, an
// int that overflows becomes a long, and a long that overflows is refused.
import { Double, Int32, Long } from 'bson'
import { refusal } from '../errors.ts'
import { typeOf, type TypeName } from './type-of.ts'

const INT32_LIMIT = 2n ** 31n
const INT64_LIMIT = 2n ** 63n

/** A numeric value as a JavaScript number; undefined for others. A long beyond 2^53 is rounded. */
export function toNumber(value: unknown): number | undefined {
  switch (typeOf(value)) {
    case 'int':
    case 'double':
      return typeof value === 'number' ? value : (value as Int32 | Double).value
    case 'long':
      return typeof value === 'bigint' ? Number(value) : (value as Long).toNumber()
    case 'decimal':
      return Number(String(value))
    default:
      return undefined
  }
}

export function isNumeric(value: unknown): boolean {
  const type = typeOf(value)
  return type === 'int' || type === 'long' || type === 'double' || type === 'decimal'
}

/** An int if the value fits and `long` is false, otherwise a long; undefined if it is too large. */
function wholeOf(value: bigint, long: boolean): Int32 | Long | undefined {
  if (!long && value >= -INT32_LIMIT && value < INT32_LIMIT) return new Int32(Number(value))
  return value >= -INT64_LIMIT && value < INT64_LIMIT ? Long.fromBigInt(value) : undefined
}

/** The types among numbers. Arithmetic on decimals is refused. */
function numberTypes(values: readonly unknown[]): Set<TypeName> {
  const types = new Set(values.map(typeOf))
  if (!types.has('decimal')) return types
  throw refusal('NotImplemented', 'arithmetic on decimals is not supported')
}

/** Adds or multiplies two numbers. Undefined if a long overflows. */
export function arithmetic(operator: '+' | '*', a: unknown, b: unknown): unknown {
  const types = numberTypes([a, b])
  if (types.has('double')) {
    const [x, y] = [toNumber(a)!, toNumber(b)!]
    return new Double(operator === '+' ? x + y : x * y)
  }
  const [x, y] = [toBigInt(a), toBigInt(b)]
  return wholeOf(operator === '+' ? x + y : x * y, types.has('long'))
}

export function toBigInt(value: unknown): bigint {
  if (typeof value === 'bigint') return value
  return typeOf(value) === 'long' ? (value as Long).toBigInt() : BigInt(toNumber(value)!)
}

/** Adds numbers up. Other values have no effect. */
export class Sum {
  #whole = 0n
  #double = 0
  #rest = 0
  #types = new Set<string>()

  add(value: unknown): void {
    if (!isNumeric(value)) return
    const [type] = numberTypes([value])
    this.#types.add(type!)
    if (type === 'double') return this.#addDouble(toNumber(value)!)
    const whole = toBigInt(value)
    const near = Number(whole)
    this.#whole += whole
    this.#addDouble(near)
    this.#addDouble(Number(whole - BigInt(near)))
  }

  #addDouble(value: number): void {
    const sum = this.#double + value
    const part = sum - value
    this.#rest += this.#double - part + (value - (sum - part))
    this.#double = sum
  }

  get #doubleTotal(): number {
    const total = this.#double + this.#rest
    return Number.isNaN(total) && !Number.isNaN(this.#double) ? this.#double : total
  }

  /** The sum; the int 0 if nothing was added. */
  get total(): unknown {
    const isWhole = !this.#types.has('double')
    const exact = isWhole ? wholeOf(this.#whole, this.#types.has('long')) : undefined
    return exact ?? new Double(this.#doubleTotal)
  }
}
