// Reads an import request, or an export by itself, item by item: what is in memory is one item, however large the whole is.
import { Fault } from '@lockstep/protocol/errors'
import { ItemCutter, malformed, type Piece } from '@lockstep/protocol/import-items'
import { limits } from '@lockstep/protocol/limits'
import type { ImportSource } from '@lockstep/protocol/owner'
import { parsers } from '@lockstep/imports/sources'
import { notThisSource } from '@lockstep/imports/values'
import { chunksOf, type Body } from './body.ts'
import { readEnvelope, type Envelope } from './envelope.ts'
import { makeReady, type Ready } from './ready.ts'

/** Items in one import: the shortest have two bytes, and each takes microseconds. */
const MOST_ITEMS = 1_000_000

export interface ImportRead {
  dry_run: boolean
  /** Taking the first one may throw `invalid`: the data isn't of its source. */
  items: Iterator<Ready, undefined>
}

/** Throws `invalid` when it isn't a request to import; then nothing of it has been read. */
export function readImport(body: Body, mostItems = MOST_ITEMS): ImportRead {
  const { source, dry_run, data } = readEnvelope(body)
  if (!data) throw notThisSource()
  // what isn't JSON is refused as a whole, before anything of it is written
  if (body instanceof Uint8Array) parsed(body.subarray(data.from, data.to))
  else checkPieces(piecesIn(body, source, data), mostItems)
  return { dry_run, items: readAll(body, source, data) }
}

function checkPieces(pieces: Iterable<Piece>, most: number): void {
  let count = 0
  for (const piece of pieces) {
    if (++count > most)
      throw new Fault('invalid', { detail: `An import has at most ${most} items` })
    if (!piece.isTooLarge) valueOf(piece)
  }
}

function* readAll(
  body: Body,
  source: ImportSource,
  data: NonNullable<Envelope['data']>,
): Generator<Ready, undefined> {
  const itemsOf = pieceReader(source)
  for (const piece of piecesIn(body, source, data)) yield* itemsOf(piece)
  return undefined
}

function* piecesIn(
  body: Body,
  source: ImportSource,
  { from, to }: NonNullable<Envelope['data']>,
): Iterable<Piece> {
  const cutter = new ItemCutter(source)
  for (const chunk of chunksOf(body, from, to)) yield* cutter.push(chunk)
  yield* cutter.end()
}

/**
 * What becomes of each piece of an export, one piece after the other. Throws `invalid` for a piece that isn't JSON, and when the first one
 * isn't of this source; later that is one `failed`, as others have been brought in.
 */
export function pieceReader(source: ImportSource): (piece: Piece) => Iterable<Ready> {
  const now = new Date().toISOString()
  let isFirst = true
  return function* (piece) {
    if (piece.isTooLarge) return void (yield failed(piece, TOO_LARGE))
    const value = valueOf(piece)
    try {
      for (const item of parsers[source](value, piece.index)) yield makeReady(source, item, now)
    } catch (error) {
      if (isFirst || !(error instanceof Fault)) throw error
      yield failed(piece, error.message)
    }
    isFirst = false
    return undefined
  }
}

const TOO_LARGE = `It is too large: one conversation may have ${limits.importItemBytes / 1024 ** 2} MB and 100,000 messages`
const failed = ({ index }: Piece, reason: string): Ready => ({
  kind: 'failed',
  item: `item ${index + 1}`,
  reason,
})

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const valueOf = ({ open, text, close }: Piece): unknown => parsed(text, open, close)

function parsed(text: Uint8Array, open = '', close = ''): unknown {
  try {
    return JSON.parse(open + utf8.decode(text) + close) as unknown
  } catch {
    throw malformed()
  }
}
