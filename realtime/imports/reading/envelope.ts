// The envelope of an import request: everything except `data`, and where `data` lies. The keys may
// come in any order. The data itself is only scanned.
import { Fault, parse } from '@lockstep/protocol/errors'
import { isObject } from '@lockstep/protocol/free-form'
import { ImportRequest, type ImportSource } from '@lockstep/protocol/import'
import { JsonScanner, malformedJson } from '../cutting/json-scanner.ts'
import { textIn, type ByteSource } from './byte-source.ts'

export interface Envelope {
  source: ImportSource
  dry_run: boolean
  /** Offsets in the request. Undefined: the request has no data. */
  data: { from: number; to: number } | undefined
}

/** The most bytes around the data, which are read as one text. */
const MAX_BYTES = 10_000

/** Throws `invalid` if it isn't a request to import. */
export function readEnvelope(request: ByteSource): Envelope {
  const data = findData(request)
  const { size } = request
  const { from, to } = data ?? { from: size, to: size }
  if (from + size - to > MAX_BYTES)
    throw new Fault('invalid', { detail: 'The body has more fields than source, data and dry_run' })
  const before = textIn(request, 0, from)
  const after = textIn(request, to, size)
  const value = size === 0 ? {} : parseJson(before + (data ? 'null' : '') + after)
  const { data: _data, ...fields }: Record<string, unknown> = isObject(value) ? value : {}
  const { source, dry_run = false } = parse(ImportRequest.omit({ data: true }), fields)
  return { source, dry_run, data }
}

/** Finds the value of `data`: the last one if the key is repeated, as everywhere in JSON. */
function findData(request: ByteSource): Envelope['data'] {
  const scanner = new JsonScanner()
  let [scanned, depth, quotes] = [0, 0, 0]
  /** The last string at depth 1, with its opening quote and without the closing one. */
  const string = { from: 0, to: 0 }
  let from: number | undefined
  let found: Envelope['data']
  const visit = (byte: string, at: number) => {
    if (byte === '"' && depth === 1) string[quotes++ % 2 === 0 ? 'from' : 'to'] = at
    const isKey = byte === ':' && depth === 1 && string.to - string.from === '"data'.length
    if (isKey && textIn(request, string.from, string.to) === '"data') from = at + 1
    if ((byte === ',' || byte === '}') && depth === 1 && from !== undefined) {
      found = { from, to: at }
      from = undefined
    }
    if (byte === '{' || byte === '[') depth++
    if (byte === '}' || byte === ']') depth--
  }
  for (const chunk of request.chunks(0, request.size)) {
    scanner.scan(chunk, (byte, at) => visit(String.fromCharCode(byte), scanned + at))
    scanned += chunk.length
  }
  if (depth !== 0) throw malformedJson()
  return found
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw malformedJson()
  }
}
