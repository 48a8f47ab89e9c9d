// Reads an import request, or an export by itself, item by item: what is in memory is one item, however large the whole is.
import { Fault } from '@lockstep/protocol/errors'
import { ExportCutter, malformedJson, type Fragment } from '@lockstep/protocol/import-items'
import { limits } from '@lockstep/protocol/limits'
import type { ImportSource } from '@lockstep/protocol/owner'
import { parsers } from '@lockstep/imports/sources'
import { notThisSource } from '@lockstep/imports/values'
import { chunksOf, type ImportBody } from './body.ts'
import { readEnvelope, type Envelope } from './envelope.ts'
import { normalizeItem, type NormalizedItem } from './ready.ts'

/** Items in one import: the shortest have two bytes, and each takes microseconds. */
const MOST_ITEMS = 1_000_000

export interface ReadableImport {
  dry_run: boolean
  /** Taking the first one may throw `invalid`: the data isn't of its source. */
  items: Iterator<NormalizedItem, undefined>
}

/** Throws `invalid` when it isn't a request to import; then nothing of it has been read. */
export function readImport(body: ImportBody, mostItems = MOST_ITEMS): ReadableImport {
  const { source, dry_run, data } = readEnvelope(body)
  if (!data) throw notThisSource()
  // what isn't JSON is refused as a whole, before anything of it is written
  if (body instanceof Uint8Array) parsed(body.subarray(data.from, data.to))
  else checkPieces(piecesIn(body, source, data), mostItems)
  return { dry_run, items: readAll(body, source, data) }
}

function checkPieces(pieces: Iterable<Fragment>, most: number): void {
  let count = 0
  for (const piece of pieces) {
    if (++count > most)
      throw new Fault('invalid', { detail: `An import has at most ${most} items` })
    if (!piece.isTooLarge) valueOf(piece)
  }
}

function* readAll(
  body: ImportBody,
  source: ImportSource,
  data: NonNullable<Envelope['data']>,
): Generator<NormalizedItem, undefined> {
  const itemsOf = createFragmentReader(source)
  for (const piece of piecesIn(body, source, data)) yield* itemsOf(piece)
  return undefined
}

function* piecesIn(
  body: ImportBody,
  source: ImportSource,
  { from, to }: NonNullable<Envelope['data']>,
): Iterable<Fragment> {
  const cutter = new ExportCutter(source)
  for (const chunk of chunksOf(body, from, to)) yield* cutter.push(chunk)
  yield* cutter.end()
}

/**
 * What becomes of each piece of an export, one piece after the other. Throws `invalid` for a piece that isn't JSON, and when the first one
 * isn't of this source; later that is one `failed`, as others have been brought in.
 */
export function createFragmentReader(source: ImportSource): (piece: Fragment) => Iterable<NormalizedItem> {
  const now = new Date().toISOString()
  let isFirst = true
  return function* (piece) {
    if (piece.isTooLarge) return void (yield failed(piece, TOO_LARGE))
    const value = valueOf(piece)
    try {
      for (const item of parsers[source](value, piece.index)) yield normalizeItem(source, item, now)
    } catch (error) {
      if (isFirst || !(error instanceof Fault)) throw error
      yield failed(piece, error.message)
    }
    isFirst = false
    return undefined
  }
}

const TOO_LARGE = `It is too large: one conversation may have ${limits.importItemBytes / 1024 ** 2} MB and 100,000 messages`
const failed = ({ index }: Fragment, reason: string): NormalizedItem => ({
  kind: 'failed',
  item: `item ${index + 1}`,
  reason,
})

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const valueOf = ({ open, text, close }: Fragment): unknown => parsed(text, open, close)

function parsed(text: Uint8Array, open = '', close = ''): unknown {
  try {
    return JSON.parse(open + utf8.decode(text) + close) as unknown
  } catch {
    throw malformedJson()
  }
}
