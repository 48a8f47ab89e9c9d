// Serves the built UI. Files with a hash in their name may be cached for ever. The page that refers
// to them is revalidated each time. The server knows the addresses of the pages, so that any other
// address is answered with 404: by the page for people, by a problem for programs.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Fault } from '@lockstep/protocol/errors'
import type { KeptFiles, ServedFile } from './kept-files.ts'
import type { RequestLimits } from './request-limits.ts'

const PAGE = 'index.html'
/** The form of the build's file names. A name of another form is never looked up. */
const ASSET_NAME = /^[\w-][\w.-]{0,120}$/
const MISSING = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Lockstep</title>
<h1>The pages have not been built</h1><p>Run <code>npm run build</code> and restart the server. The API works without the pages.</p></html>`

/** The page does its own routing; at these addresses it has something to show. */
const pageRoutes = [
  '/app',
  '/app/new',
  '/app/c/:id',
  '/app/c/:id/history',
  '/app/agents',
  '/app/agents/runs',
  '/app/agents/runs/:id',
  '/app/agents/:id',
  '/app/settings',
  ...['appearance', 'devices', 'activity', 'data', 'security', 'account'].map(
    (name) => `/app/settings/${name}`,
  ),
  '/app/sign-in',
  '/app/sign-up',
].flatMap((url) => [url, `${url}/`])

export interface StaticUiDeps {
  /** The folder of the built UI. */
  root: string
  page: Page
  /** The files of other builds. Absent: there is only this one. */
  keptFiles?: Pick<KeptFiles, 'find'>
  /** Look-ups of other builds' files are counted, because each one asks the database. */
  requestLimits: Pick<RequestLimits, 'countAddress'>
}

/** Serves one page at every address of a page, and the files beside it. */
export async function serveUi(
  app: FastifyInstance,
  { root, page, keptFiles, requestLimits }: StaticUiDeps,
): Promise<void> {
  if (page === undefined) {
    const missing = (_request: unknown, reply: FastifyReply) =>
      reply.status(503).header('cache-control', 'no-store').type('text/html').send(MISSING)
    for (const url of ['/', ...pageRoutes]) app.get(url, missing)
    return
  }
  await app.register(fastifyStatic, {
    root,
    serve: false,
    cacheControl: false,
    dotfiles: 'ignore',
    preCompressed: true,
  })
  const sendPage = (_request: unknown, reply: FastifyReply) =>
    reply.header('cache-control', 'no-cache').type('text/html; charset=utf-8').send(page)
  for (const url of ['/', ...pageRoutes]) app.get(url, sendPage)

  const assets = join(root, 'assets')
  app.get<{ Params: { '*': string } }>('/assets/*', async (request, reply) => {
    const name = request.params['*']
    reply.header('cache-control', 'public, max-age=31536000, immutable')
    const file = await keptFile(name, request)
    if (!file) return reply.sendFile(name, assets)
    if (file.encoding) reply.header('content-encoding', file.encoding)
    return reply.header('vary', 'Origin, Accept-Encoding').type(file.mediaType).send(file.content)
  })
  /** A file that this build doesn't have. */
  async function keptFile(name: string, request: FastifyRequest): Promise<ServedFile | undefined> {
    if (!keptFiles || !ASSET_NAME.test(name)) return undefined
    const isHere = await access(join(assets, name)).then(
      () => true,
      () => false,
    )
    if (isHere) return undefined
    requestLimits.countAddress(request.ip)
    return keptFiles.find(name, /\bbr\b/.test(request.headers['accept-encoding'] ?? ''))
  }
  for (const entry of readdirSync(root, { withFileTypes: true }))
    if (entry.isFile() && entry.name !== PAGE && !/\.(br|gz)$/.test(entry.name))
      app.get(`/${encodeURI(entry.name)}`, (_request, reply) =>
        reply.header('cache-control', 'public, max-age=3600').sendFile(entry.name),
      )
}

/** The page as this server sends it; undefined if the pages have not been built. */
export type Page = string | undefined

/** Reads the page, and writes the base path in front of its files' addresses instead of `./`. */
export function createPage(root: string, basePath: string): Page {
  const file = join(root, PAGE)
  if (!existsSync(file)) return undefined
  return readFileSync(file, 'utf8')
    .replaceAll('="./', `="${basePath}/`)
    .replace('<html ', `<html data-base-path="${basePath}" `)
}

/** Whether a person asks: browsers name HTML when they navigate, programs don't. */
const asksForPage = ({ method, headers }: FastifyRequest): boolean =>
  (method === 'GET' || method === 'HEAD') && /\btext\/html\b/i.test(headers.accept ?? '')

/**
 * Answers a request for an address that nothing has. A person gets the page, which says so, unless
 * the address is outside of the base path.
 */
export const refuseUnknownAddress =
  (page: Page, basePath: string) =>
  (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    if (page !== undefined && isWithin(request.originalUrl, basePath) && asksForPage(request))
      return reply.status(404).header('cache-control', 'no-store').type('text/html').send(page)
    throw isReadable(request.originalUrl)
      ? new Fault('not_found', { detail: 'There is nothing at this address' })
      : new Fault('invalid', { detail: 'The address is not valid' })
  }

/** An address that no route or file has. */
const UNKNOWN = '/-'

/**
 * The address without the base path. An address outside of the base path, or one that isn't UTF-8,
 * becomes `UNKNOWN`, so that the request still passes all hooks.
 */
export function routableUrl({ url = '' }: { url?: string }, basePath: string): string {
  if (!isWithin(url, basePath) || !isReadable(url)) return UNKNOWN
  const inner = url.slice(basePath.length)
  return inner.startsWith('/') ? inner : `/${inner}`
}

const isWithin = (url: string, basePath: string): boolean =>
  basePath === '' || (url.startsWith(basePath) && /^(?:[/?]|$)/.test(url.slice(basePath.length)))

function isReadable(url: string): boolean {
  try {
    decodeURIComponent(url.split('?', 1)[0]!)
    return true
  } catch {
    return false
  }
}
