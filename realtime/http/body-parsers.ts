// Bodies: JSON in UTF-8 under one of two content types; an empty one is none. Those of imports go through a file, unparsed. Keys that would reach a prototype need no special care:
// JSON.parse makes them plain properties, and every schema refuses what it doesn't know.
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Fault } from '@lockstep/protocol/errors'
import { unsupportedType } from './problems.ts'
import { spoolBody } from './spooled-body.ts'

const types = ['application/json', 'application/merge-patch+json']
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })

/** Replaces fastify's own parsers. */
export function parseJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    types,
    { parseAs: 'buffer' },
    (request: FastifyRequest, body: Buffer, done) => {
      try {
        checkCharset(request.headers['content-type'] ?? '')
        done(null, parseBody(body))
      } catch (error) {
        done(error as Error)
      }
    },
  )
}

/** In this scope bodies become a `Spool`, to be closed by who gets it. */
export function spoolBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(types, (request: FastifyRequest, payload: Readable) => {
    const { 'content-type': type = '', 'content-length': length } = request.headers
    checkCharset(type)
    return spoolBody(payload, Number(length), request.routeOptions.bodyLimit!)
  })
}

/** Throws `invalid` (415) for another charset. */
function checkCharset(contentType: string): void {
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(contentType)?.[1]
  if (charset !== undefined && !/^utf-?8$/i.test(charset)) throw unsupportedType()
}

/** Throws `invalid` (400) for what isn't JSON. undefined: there is none. */
function parseBody(body: Buffer): unknown {
  if (body.length === 0) return undefined
  try {
    return JSON.parse(utf8.decode(body)) as unknown
  } catch {
    throw new Fault('invalid', { status: 400, detail: 'The body is not well-formed JSON' })
  }
}
