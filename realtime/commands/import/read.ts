// Reads an import request: the whole of it is parsed at once, but only one item at a time is made ready.
import { Fault, parse } from '../../../protocol/errors.ts'
import { isObject } from '../../../protocol/free-form.ts'
import { ImportRequest } from '../../../protocol/owner.ts'
import { parsers } from '../../imports/sources.ts'
import { makeReady, type Ready } from './ready.ts'

export interface ImportRead {
  dry_run: boolean
  /** Taking the first one may throw `invalid`: the data isn't of its source. */
  items: Iterator<Ready, undefined>
}

/** @param body JSON in UTF-8. Throws `invalid` when it isn't a request to import. */
export function readImport(body: Uint8Array): ImportRead {
  const request = body.length === 0 ? {} : json(body)
  // exports of others may be as deep as they like
  const { data, ...about }: Record<string, unknown> = isObject(request) ? request : {}
  const { source, dry_run = false } = parse(ImportRequest.omit({ data: true }), about)
  return { dry_run, items: readItems(source, data) }
}

function* readItems(source: keyof typeof parsers, data: unknown): Generator<Ready, undefined> {
  const now = new Date().toISOString()
  for (const item of parsers[source](data)) yield makeReady(source, item, now)
  return undefined
}

function json(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as unknown
  } catch {
    throw new Fault('invalid', { status: 400, detail: 'The body is not well-formed JSON' })
  }
}
