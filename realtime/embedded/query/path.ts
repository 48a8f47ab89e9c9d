// Finds the values at a dotted path of a document. The path leads through objects, through the
// elements of arrays on the way and, if the operator asks for it, into the elements of an array at
// its end. A path that leads nowhere yields undefined once.
import { isDoc } from '../bson/type-of.ts'

/**
 * What the positional operator `$` stands for: the index of the outermost array element that
 * matched.
 */
export interface MatchTrace {
  index: number | undefined
}

/** A test of one value at the end of a path. */
export type ValueTest = (value: unknown) => boolean

/**
 * Whether a value at `path` passes the test. With `expandLeaf`, the elements of an array at the end
 * are tested before the array itself.
 */
export function someValue(
  root: unknown,
  path: readonly string[],
  expandLeaf: boolean,
  test: ValueTest,
  trace?: MatchTrace,
): boolean {
  return visit(root, path, 0, expandLeaf, test, trace)
}

function visit(
  root: unknown,
  path: readonly string[],
  from: number,
  expandLeaf: boolean,
  test: ValueTest,
  trace?: MatchTrace,
): boolean {
  let value = root
  for (let at = from; at < path.length; at++) {
    if (Array.isArray(value)) return visitArray(value, path, at, expandLeaf, test, trace)
    if (!isDoc(value)) return test(undefined)
    value = value.get(path[at]!)
    if (value === undefined) return test(undefined)
  }
  if (!expandLeaf || path.length === 0 || !Array.isArray(value)) return test(value)
  const found = value.findIndex((element) => test(element))
  if (found < 0) return test(value)
  if (trace) trace.index = found
  return true
}

function visitArray(
  array: readonly unknown[],
  path: readonly string[],
  at: number,
  expandLeaf: boolean,
  test: ValueTest,
  trace?: MatchTrace,
): boolean {
  const offset = /^(?:0|[1-9]\d*)$/.test(path[at]!) ? Number(path[at]) : -1
  for (let index = 0; index < array.length; index++) {
    const element = array[index]
    if (isDoc(element) && visit(element, path, at, expandLeaf, test, trace)) {
      if (trace) trace.index = index
      return true
    }
    // An index that the path names isn't a choice, so `$` doesn't stand for it.
    if (index === offset && visitElement(element, path, at, expandLeaf, test, trace)) return true
  }
  return false
}

/** The rest of the path behind an index. In a scalar, it finds nothing, not even undefined. */
function visitElement(
  element: unknown,
  path: readonly string[],
  at: number,
  expandLeaf: boolean,
  test: ValueTest,
  trace?: MatchTrace,
): boolean {
  if (at === path.length - 1) return test(element)
  const hasMore = isDoc(element) || Array.isArray(element)
  return hasMore && visit(element, path, at + 1, expandLeaf, test, trace)
}
