// The difference between two documents, for updates that compute the whole document (pipelines).
import { encode, isDoc, setField, type Doc } from '../bson/codec.ts'

/**
 * Describes how `before` became `after`, with dotted paths into objects, array elements by index,
 * and shortened arrays.
 */
export function describeDifference(before: Doc, after: Doc): Doc {
  const description = {
    updatedFields: {} as Doc,
    removedFields: [] as string[],
    truncatedArrays: [] as Doc[],
  }
  compareDocs(before, after, '', description)
  return description
}

interface Description {
  updatedFields: Doc
  removedFields: string[]
  truncatedArrays: Doc[]
}

function compareDocs(before: Doc, after: Doc, prefix: string, description: Description): void {
  for (const name of Object.keys(before))
    if (!Object.hasOwn(after, name)) description.removedFields.push(prefix + name)
  for (const [name, value] of Object.entries(after)) {
    const path = prefix + name
    if (!Object.hasOwn(before, name)) setField(description.updatedFields, path, value)
    else compareField(before[name], value, path, description)
  }
}

function compareField(
  before: unknown,
  after: unknown,
  path: string,
  description: Description,
): void {
  if (identical(before, after)) return
  if (isDoc(before) && isDoc(after)) return compareDocs(before, after, `${path}.`, description)
  if (!Array.isArray(before) || !Array.isArray(after)) {
    setField(description.updatedFields, path, after)
    return
  }
  if (after.length < before.length)
    description.truncatedArrays.push({ field: path, newSize: after.length })
  after.forEach((value: unknown, at) => {
    if (at >= before.length) setField(description.updatedFields, `${path}.${at}`, value)
    else compareField(before[at], value, `${path}.${at}`, description)
  })
}

/** Whether two values are the same to the last byte, including their number types. */
export function identical(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a === 'string' || typeof b === 'string') return false
  return Buffer.compare(encode({ '': a ?? null }), encode({ '': b ?? null })) === 0
}
