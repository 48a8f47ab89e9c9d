// The difference between two documents, for updates that compute the whole document (pipelines).
// MongoDB describes them by what changed only if that is shorter than the new document.
import { Int32 } from 'bson'
import { Doc } from '../bson/doc.ts'
import { encode, identical } from '../bson/encode.ts'
import { isDoc } from '../bson/type-of.ts'
import { description } from './changed-paths.ts'

/** What a description of a difference takes in the oplog besides the difference. */
const DELTA_OVERHEAD = 15

type Value = readonly [string, unknown]

/** The difference of two objects, or of two arrays (whose names are indexes). */
interface Difference {
  readonly array: boolean
  readonly updates: Value[]
  readonly inserts: Value[]
  readonly deletes: string[]
  readonly inner: [string, Difference][]
  newSize?: number
}

/**
 * Describes how `before` became `after`, with dotted paths into objects, array elements by index,
 * and shortened arrays. Undefined if the description would be longer than the new document.
 */
export function describeDifference(before: Doc, after: Doc): Doc | undefined {
  const difference = compareDocs(before, after)
  if (sizeOf(difference) + DELTA_OVERHEAD >= encode(after).length) return undefined
  const [updated, removed, truncated]: [Value[], string[], Doc[]] = [[], [], []]
  const visit = (part: Difference, prefix: string): void => {
    for (const [name, value] of [...part.updates, ...part.inserts])
      updated.push([prefix + name, value])
    for (const name of part.deletes) removed.push(prefix + name)
    if (part.newSize !== undefined)
      truncated.push(
        Doc.of([
          ['field', prefix.slice(0, -1)],
          ['newSize', new Int32(part.newSize)],
        ]),
      )
    for (const [name, inner] of part.inner) visit(inner, `${prefix}${name}.`)
  }
  visit(difference, '')
  return description(updated, removed, truncated)
}

function emptyDifference(array: boolean): Difference {
  return { array, updates: [], inserts: [], deletes: [], inner: [] }
}

/**
 * Walks along both documents. Where they differ in a name, the old field counts as removed; what is
 * left of the new document at the end is new, even if it was there before.
 */
function compareDocs(before: Doc, after: Doc): Difference {
  const difference = emptyDifference(false)
  const gone = new Set<string>()
  const rest = [...after.fields]
  let at = 0
  for (const field of before.fields) {
    const now = rest[at]
    if (now?.name !== field.name) {
      gone.add(field.name)
      continue
    }
    compareField(field.name, field.value, now.value, difference)
    at++
  }
  for (const { name, value } of rest.slice(at)) {
    difference.inserts.push([name, value])
    gone.delete(name)
  }
  difference.deletes.push(...gone)
  return difference
}

function compareArrays(before: readonly unknown[], after: readonly unknown[]): Difference {
  const difference = emptyDifference(true)
  for (const [at, value] of after.entries()) {
    if (at < before.length) compareField(String(at), before[at], value, difference)
    else difference.updates.push([String(at), value])
  }
  if (after.length < before.length) difference.newSize = after.length
  return difference
}

function compareField(name: string, before: unknown, after: unknown, into: Difference): void {
  if (identical(before, after)) return
  let inner: Difference | undefined
  if (isDoc(before) && isDoc(after)) inner = compareDocs(before, after)
  else if (Array.isArray(before) && Array.isArray(after)) inner = compareArrays(before, after)
  const isShorter = inner && sizeOf(inner) < encode({ '': after }).length - 7
  if (inner && isShorter) into.inner.push([name, inner])
  else into.updates.push([name, after])
}

/** The size of a difference as the oplog stores it. */
function sizeOf(difference: Difference): number {
  return encode(stored(difference)).length
}

function stored({ array, updates, inserts, deletes, inner, newSize }: Difference): Doc {
  const fields: [string, unknown][] = []
  if (array) {
    fields.push(['a', true])
    if (newSize !== undefined) fields.push(['l', new Int32(newSize)])
    for (const [name, value] of updates) fields.push([`u${name}`, value])
  } else {
    if (deletes.length > 0) fields.push(['d', Doc.of(deletes.map((name) => [name, false]))])
    if (updates.length > 0) fields.push(['u', Doc.of(updates)])
    if (inserts.length > 0) fields.push(['i', Doc.of(inserts)])
  }
  for (const [name, part] of inner) fields.push([`s${name}`, stored(part)])
  return Doc.of(fields)
}
