// The sum of numbers as MongoDB's `$sum` and `$add` make it: doubles are added with twice
// their precision, and the widest type among the numbers is the type of the sum.
import { Double } from 'bson'
import { isNumeric, numberTypes, toBigInt, toNumber, wholeOf } from './numbers.ts'

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
