// What an import request says around its data, whatever the order of its keys, and where the data lies. The data itself is only walked over.
import { parse, Fault } from '@lockstep/protocol/errors'
import { isObject } from '@lockstep/protocol/free-form'
import { malformedJson, JsonScanner } from '@lockstep/protocol/import-items'
import { ImportRequest, type ImportSource } from '@lockstep/protocol/owner'
import { chunksOf, sizeOf, type ImportBody } from './body.ts'

export interface Envelope {
  source: ImportSource
  dry_run: boolean
  /** Offsets in the body; undefined: it has no data. */
  data: { from: number; to: number } | undefined
}

/** Around the data is next to nothing. */
const AROUND_BYTES = 10_000

/** Throws `invalid` when it isn't a request to import. */
export function readEnvelope(body: ImportBody): Envelope {
  const data = findData(body)
  const size = sizeOf(body)
  const { from, to } = data ?? { from: size, to: size }
  if (from + size - to > AROUND_BYTES)
    throw new Fault('invalid', { detail: 'There is more in it than source, data and dry_run' })
  const around =
    size === 0 ? {} : json(textOf(body, 0, from) + (data ? 'null' : '') + textOf(body, to, size))
  const { data: _data, ...about }: Record<string, unknown> = isObject(around) ? around : {}
  const { source, dry_run = false } = parse(ImportRequest.omit({ data: true }), about)
  return { source, dry_run, data }
}

/** Where the value of `data` lies, the last one as everywhere in JSON. */
function findData(body: ImportBody): Envelope['data'] {
  const structure = new JsonScanner()
  let [before, depth, quotes] = [0, 0, 0]
  const key = { from: 0, to: 0 }
  let from: number | undefined
  let found: Envelope['data']
  const mark = (byte: string, at: number) => {
    if (byte === '"' && depth === 1) key[quotes++ % 2 === 0 ? 'from' : 'to'] = at
    if (
      byte === ':' &&
      depth === 1 &&
      key.to - key.from === 5 &&
      textOf(body, key.from, key.to) === '"data'
    )
      from = at + 1
    if ((byte === ',' || byte === '}') && depth === 1 && from !== undefined) {
      found = { from, to: at }
      from = undefined
    }
    if (byte === '{' || byte === '[') depth++
    if (byte === '}' || byte === ']') depth--
  }
  for (const chunk of chunksOf(body)) {
    structure.scan(chunk, (byte, at) => mark(String.fromCharCode(byte), before + at))
    before += chunk.length
  }
  if (depth !== 0) throw malformedJson()
  return found
}

function textOf(body: ImportBody, from: number, to: number): string {
  return new TextDecoder().decode(Buffer.concat([...chunksOf(body, from, to)]))
}

function json(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw malformedJson()
  }
}
