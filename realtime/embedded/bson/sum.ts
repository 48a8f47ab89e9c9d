// The sum of numbers as MongoDB's `$sum`, `$avg` and `$add` make it: doubles are added with twice
// their precision, and the widest type among the numbers is the type of the sum.
import { Double } from 'bson'
import { addDecimals, decimalOf, divideDecimals } from './decimal.ts'
import { isNumeric, toBigInt, toDecimal, toNumber, wholeOf } from './numbers.ts'
import { typeOf } from './type-of.ts'

/** Adds numbers up. Other values have no effect. */
export class Sum {
  #decimal = decimalOf(0n)
  #whole = 0n
  #double = 0
  #rest = 0
  #count = 0
  #types = new Set<string>()

  add(value: unknown): void {
    if (!isNumeric(value)) return
    this.#count++
    const type = typeOf(value)
    this.#types.add(type)
    if (type === 'decimal') this.#decimal = addDecimals(this.#decimal, toDecimal(value))
    else if (type === 'double') this.#addDouble(toNumber(value)!)
    else this.#addWhole(toBigInt(value))
  }

  #addWhole(value: bigint): void {
    this.#whole += value
    const near = Number(value)
    this.#addDouble(near)
    this.#addDouble(Number(value - BigInt(near)))
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

  /** The sum; undefined if nothing was added. */
  get total(): unknown {
    if (this.#types.has('decimal')) return this.#decimalTotal()
    if (this.#types.has('double')) return new Double(this.#doubleTotal)
    return wholeOf(this.#whole, this.#types.has('long')) ?? new Double(this.#doubleTotal)
  }

  #decimalTotal(): unknown {
    if (this.#types.has('double')) return toDecimal(new Double(0))
    return addDecimals(this.#decimal, decimalOf(this.#whole))
  }

  /** The average; null if nothing was added. */
  get average(): unknown {
    if (this.#count === 0) return null
    if (this.#types.has('decimal'))
      return divideDecimals(toDecimal(this.#decimalTotal()), decimalOf(BigInt(this.#count)))
    return new Double(this.#doubleTotal / this.#count)
  }
}
