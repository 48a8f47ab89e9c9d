// Finds the values at a dotted path of a document. The path leads through objects, through the
// elements of arrays on the way and, if the operator asks for it, into the elements of an array at
// its end. A path that leads nowhere yields undefined once.
import { isDoc } from '../bson/type-of.ts'

/** A test of one value at the end of a path. */
export type ValueTest = (value: unknown) => boolean

/**
 * Whether a value at `path`, from its part `from` on, passes the test. With `expandLeaf`, the
 * elements of an array at the end are tested before the array itself.
 */
export function someValue(
  root: unknown,
  path: readonly string[],
  expandLeaf: boolean,
  test: ValueTest,
  from = 0,
): boolean {
  let value = root
  for (let at = from; at < path.length; at++) {
    if (Array.isArray(value)) return someElement(value, path, expandLeaf, test, at)
    if (!isDoc(value)) return test(undefined)
    value = value.get(path[at]!)
    if (value === undefined) return test(undefined)
  }
  if (expandLeaf && path.length > 0 && Array.isArray(value) && value.some(test)) return true
  return test(value)
}

function someElement(
  array: readonly unknown[],
  path: readonly string[],
  expandLeaf: boolean,
  test: ValueTest,
  at: number,
): boolean {
  const part = path[at]!
  const offset = /^(?:0|[1-9]\d*)$/.test(part) ? Number(part) : -1
  return array.some((element, index) => {
    if (isDoc(element) && someValue(element, path, expandLeaf, test, at)) return true
    if (index !== offset) return false
    // In a scalar, the rest of the path finds nothing, not even undefined.
    if (at === path.length - 1) return test(element)
    const hasMore = isDoc(element) || Array.isArray(element)
    return hasMore && someValue(element, path, expandLeaf, test, at + 1)
  })
}
