// What an update has changed, as the oplog and change streams describe it. Updates with operators
// record the paths that they change. Those that compute the whole document (pipelines) compare it
// with the one before; MongoDB describes them by what changed only if that is shorter than the new
// document.
import { Int32 } from 'bson'
import { Doc } from '../bson/doc.ts'
import { encode, identical } from '../bson/encode.ts'
import { isDoc } from '../bson/type-of.ts'

type Change = 'update' | 'insert' | 'remove'

/** What a description takes in the oplog besides the changes. */
const DESCRIPTION_BYTES = 15

/** The changes in an object, or in an array, whose names are indexes. */
export class Changes {
  readonly #isArray: boolean
  readonly #byName = new Map<string, Change | Changes>()
  /** The length of an array that has been shortened. */
  #newSize: number | undefined

  constructor(isArray = false) {
    this.#isArray = isArray
  }

  get isEmpty(): boolean {
    return this.#byName.size === 0
  }

  /** Records a change at a path, unless it is in a field that has been recorded as a whole. */
  record(path: readonly string[], change: Change): void {
    const [name, ...rest] = path as [string, ...string[]]
    const known = this.#byName.get(name)
    if (rest.length === 0) this.#byName.set(name, change)
    else if (known instanceof Changes) known.record(rest, change)
    else if (!known) {
      const inner = new Changes()
      this.#byName.set(name, inner)
      inner.record(rest, change)
    }
  }

  /** The changes, if describing them takes fewer bytes than the new document. */
  static between(before: Doc, after: Doc): Changes | undefined {
    const changes = new Changes()
    changes.#compareDocs(before, after)
    const isShorter = changes.#size(after) + DESCRIPTION_BYTES < encode(after).length
    return isShorter ? changes : undefined
  }

  /**
   * Walks along both documents. Where they differ in a name, the old field counts as removed; what
   * is left of the new document at the end is new, even if it was there before.
   */
  #compareDocs(before: Doc, after: Doc): void {
    let at = 0
    for (const { name, value } of before.fields) {
      const now = after.fields[at]
      if (now?.name === name) {
        this.#compare(name, value, now.value)
        at++
      } else {
        this.#byName.set(name, 'remove')
      }
    }
    for (const { name } of after.fields.slice(at)) {
      this.#byName.delete(name)
      this.#byName.set(name, 'insert')
    }
  }

  #compareArrays(before: readonly unknown[], after: readonly unknown[]): void {
    for (const [at, value] of after.entries()) {
      if (at < before.length) this.#compare(String(at), before[at], value)
      else this.#byName.set(String(at), 'update')
    }
    if (after.length < before.length) this.#newSize = after.length
  }

  #compare(name: string, before: unknown, after: unknown): void {
    if (identical(before, after)) return
    const inner = new Changes(Array.isArray(after))
    if (isDoc(before) && isDoc(after)) inner.#compareDocs(before, after)
    else if (Array.isArray(before) && Array.isArray(after)) inner.#compareArrays(before, after)
    else return void this.#byName.set(name, 'update')
    const isShorter = inner.#size(after) < encode({ '': after }).length - 7
    this.#byName.set(name, isShorter ? inner : 'update')
  }

  #size(after: unknown): number {
    return encode(this.#stored(after)).length
  }

  #stored(after: unknown): Doc {
    const entries = [...this.#byName]
    const inner = entries.flatMap(([name, change]) =>
      change instanceof Changes
        ? [[`s${name}`, change.#stored(valueAt(after, name))] as const]
        : [],
    )
    const changed = (kind: Change, prefix = '') =>
      entries
        .filter(([, change]) => change === kind)
        .map(([name]) => [prefix + name, kind === 'remove' ? false : valueAt(after, name)] as const)
    if (this.#isArray) {
      const size = this.#newSize === undefined ? [] : [['l', new Int32(this.#newSize)] as const]
      return Doc.of([['a', true], ...size, ...changed('update', 'u'), ...inner])
    }
    const parts = { d: changed('remove'), u: changed('update'), i: changed('insert') }
    const filled = Object.entries(parts).filter(([, fields]) => fields.length > 0)
    return Doc.of([...filled.map(([name, fields]) => [name, Doc.of(fields)] as const), ...inner])
  }

  describe(after: Doc): Doc {
    const updated: [string, unknown][] = []
    const removed: string[] = []
    const truncated: Doc[] = []
    const visit = (changes: Changes, value: unknown, prefix: string): void => {
      if (changes.#newSize !== undefined)
        truncated.push(Doc.literal({ field: prefix.slice(0, -1), newSize: changes.#newSize }))
      for (const [name, change] of changes.#inOrder(Array.isArray(value))) {
        const inner = valueAt(value, name)
        if (change === 'remove') removed.push(prefix + name)
        else if (change instanceof Changes) visit(change, inner, `${prefix}${name}.`)
        else updated.push([prefix + name, inner ?? null])
      }
    }
    visit(this, after, '')
    const updatedFields = Doc.of(updated)
    return Doc.literal({ updatedFields, removedFields: removed, truncatedArrays: truncated })
  }

  /** Changed fields come before new ones, and those before changes inside of fields. */
  #inOrder(isArray: boolean): [string, Change | Changes][] {
    const ranks: Change[] = ['update', 'insert', 'remove']
    const rank = (change: Change | Changes): number =>
      change instanceof Changes ? ranks.length : ranks.indexOf(change)
    return [...this.#byName].sort(([a, one], [b, other]) =>
      isArray ? Number(a) - Number(b) : rank(one) - rank(other),
    )
  }
}

function valueAt(value: unknown, name: string): unknown {
  return isDoc(value) ? value.get(name) : Array.isArray(value) ? value[Number(name)] : undefined
}
