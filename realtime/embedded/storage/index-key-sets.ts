// The keys that an index has of a document: none if the index is partial or sparse and the document
// doesn't belong to it.
import type { Doc } from '../bson/doc.ts'
import { compileFilter, type Matcher } from '../query/match.ts'
import { keysOf, type KeySet } from './index-keys.ts'
import type { IndexSpec } from './index-spec.ts'

const noKeys: KeySet = { keys: [], multikey: [] }
const partialMatchers = new WeakMap<object, Matcher>()

export function keySetOf(index: IndexSpec, doc: Doc): KeySet {
  if (index.partial && !partialMatcher(index.partial)(doc)) return noKeys
  const set = keysOf(doc, index)
  return index.sparse && set.keys.every((key) => key.values.every((value) => value === undefined))
    ? noKeys
    : set
}

function partialMatcher(partial: NonNullable<IndexSpec['partial']>): Matcher {
  let matcher = partialMatchers.get(partial)
  if (!matcher) partialMatchers.set(partial, (matcher = compileFilter(partial)))
  return matcher
}
