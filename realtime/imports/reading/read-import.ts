// Reads an import request item by item: however large the request is, memory holds one item.
//
//   request -> envelope        which source, and where the data lies
//           -> ExportCutter    fragments: the JSON of one item each
//           -> parser          the item in Lockstep's terms, under the keys of its source
//           -> normalizeItem   ids, times and sizes that the log accepts
import { Fault } from '@lockstep/protocol/errors'
import { ExportCutter } from '../cutting/export-cutter.ts'
import type { Fragment } from '../cutting/fragment.ts'
import { notThisSource } from '../parsing/conversation-list.ts'
import type { ByteSource } from './byte-source.ts'
import { readEnvelope, type Envelope } from './envelope.ts'
import { createFragmentReader, parseFragment, parseJson } from './fragment-reader.ts'
import type { DeriveId, NormalizedItem } from './normalize.ts'

/**
 * The most items in one import. The shortest item has two bytes, and each item takes microseconds.
 */
const MAX_ITEMS = 1_000_000

export interface ReadableImport {
  dry_run: boolean
  /** The first `next()` throws `invalid` if the data isn't of its source. */
  items: Iterator<NormalizedItem, undefined>
}

/**
 * Throws `invalid` if this isn't a request to import, or if any of it isn't JSON. The whole data is
 * checked before its first item is returned, so that malformed data changes nothing.
 */
export function readImport(
  request: ByteSource,
  deriveId: DeriveId,
  maxItems = MAX_ITEMS,
): ReadableImport {
  const { source, dry_run, data } = readEnvelope(request)
  if (!data) throw notThisSource()
  const fragments = () => fragmentsIn(request, source, data)
  if (request.inMemory) parseJson(request.inMemory.subarray(data.from, data.to))
  else checkJson(fragments(), maxItems)
  return { dry_run, items: readItems(fragments(), createFragmentReader(source, deriveId)) }
}

function checkJson(fragments: Iterable<Fragment>, maxItems: number): void {
  let count = 0
  for (const fragment of fragments) {
    if (++count > maxItems)
      throw new Fault('invalid', { detail: `An import may have at most ${maxItems} items` })
    if (!fragment.isTooLarge) parseFragment(fragment)
  }
}

function* readItems(
  fragments: Iterable<Fragment>,
  itemsOf: (fragment: Fragment) => Iterable<NormalizedItem>,
): Generator<NormalizedItem, undefined> {
  for (const fragment of fragments) yield* itemsOf(fragment)
  return undefined
}

function* fragmentsIn(
  request: ByteSource,
  source: Envelope['source'],
  { from, to }: NonNullable<Envelope['data']>,
): Iterable<Fragment> {
  const cutter = new ExportCutter(source)
  for (const chunk of request.chunks(from, to)) yield* cutter.push(chunk)
  yield* cutter.end()
}
