// A value that is computed again only when one of its inputs has changed. Programs compare
// snapshots by identity, so a snapshot must stay the same object until something has changed.
export class Memo<Value> {
  #inputs: readonly unknown[] | undefined
  #value: Value | undefined

  /** @param compute depends on `inputs` alone; they are compared by identity */
  get(inputs: readonly unknown[], compute: () => Value): Value {
    const known = this.#inputs
    const isSame =
      known?.length === inputs.length && known.every((input, i) => Object.is(input, inputs[i]))
    if (isSame && this.#value !== undefined) return this.#value
    const value = compute()
    this.#inputs = inputs
    this.#value = value
    return value
  }
}
