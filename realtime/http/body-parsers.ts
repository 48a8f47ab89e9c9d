// Parses request bodies: JSON in UTF-8 under one of two content types. An empty body counts as no
// body. The body of an import is spooled and stays unparsed. Keys such as `__proto__` need no
// special care: JSON.parse makes them plain properties, and every schema refuses unknown fields.
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Fault } from '@lockstep/protocol/errors'
import { excessOf } from '@lockstep/protocol/json-shape'
import { beginWork, shareTurn } from '../concurrency/turns.ts'
import { unsupportedType } from './problems.ts'
import { sizeLimit, spoolBody, type BodyLimit } from './spooled-body.ts'

const contentTypes = ['application/json', 'application/merge-patch+json']
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })

/** Replaces fastify's own parsers. */
export function parseJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser<Buffer>(contentTypes, { parseAs: 'buffer' }, parseJson)
}

/** What a user's spooled body may have at most, if that may be less than what the route allows. */
export type SpoolLimit = (user_id: string) => Promise<BodyLimit | undefined>

/** Makes each body in this scope a `SpooledBody`, which its receiver must close. */
export function spoolBodies(app: FastifyInstance, limitOf?: SpoolLimit): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(contentTypes, async (request: FastifyRequest, payload: Readable) => {
    checkContent(request)
    const most = sizeLimit(request.routeOptions.bodyLimit!)
    const own = request.identity ? await limitOf?.(request.identity.user_id) : undefined
    const length = Number(request.headers['content-length'])
    return spoolBody(payload, length, own && own.bytes < most.bytes ? own : most)
  })
}

/** Leaves each body in this scope unread: its receiver reads it as it comes. */
export function streamBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/x-ndjson', (request: FastifyRequest, payload: Readable) => {
    checkContent(request)
    return Promise.resolve(payload)
  })
}

/**
 * Throws `invalid`: 415 for another charset or encoding, 400 for what isn't JSON, 422 for what is
 * nested too deep or has too many keys or values. An empty body is undefined.
 */
async function parseJson(request: FastifyRequest, body: Buffer): Promise<unknown> {
  checkContent(request)
  if (body.length === 0) return undefined
  beginWork()
  const text = wellFormed(() => utf8.decode(body))
  const excess = excessOf(text)
  if (excess !== undefined)
    throw new Fault('invalid', {
      detail: `The body ${excess}`,
      issues: [{ path: '', message: excess }],
    })
  const value = wellFormed(() => JSON.parse(text) as unknown)
  await shareTurn()
  return value
}

function wellFormed<T>(read: () => T): T {
  try {
    return read()
  } catch {
    throw new Fault('invalid', { status: 400, detail: 'The body is not well-formed JSON' })
  }
}

/** Throws `invalid` (415) for another charset, and for a compressed body. */
function checkContent({ headers }: FastifyRequest): void {
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(headers['content-type'] ?? '')?.[1]
  if (charset !== undefined && !/^utf-?8$/i.test(charset)) throw unsupportedType()
  const encoding = headers['content-encoding']?.trim()
  if (encoding && encoding.toLowerCase() !== 'identity')
    throw new Fault('invalid', {
      status: 415,
      detail: 'The body must not be compressed: send it without Content-Encoding',
    })
}
