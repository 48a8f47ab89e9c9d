// Serves the built UI. Files with a hash in their name may be cached for ever. The page that refers
// to them is revalidated each time. The server knows the addresses of the pages, so that any other
// address is answered with 404: by the page for people, by a problem for programs.
import { existsSync, readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Fault } from '@lockstep/protocol/errors'

const PAGE = 'index.html'
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
  ...['appearance', 'devices', 'activity', 'data', 'account'].map(
    (name) => `/app/settings/${name}`,
  ),
  '/app/sign-in',
  '/app/sign-up',
].flatMap((url) => [url, `${url}/`])

/**
 * Serves one page at every address of a page, and the files beside it.
 * @param root the folder of the built UI
 */
export async function serveUi(app: FastifyInstance, root: string): Promise<void> {
  if (!existsSync(join(root, PAGE))) {
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
  const page = (_request: unknown, reply: FastifyReply) =>
    reply.header('cache-control', 'no-cache').sendFile(PAGE)
  for (const url of ['/', ...pageRoutes]) app.get(url, page)

  app.get<{ Params: { '*': string } }>('/assets/*', (request, reply) =>
    reply
      .header('cache-control', 'public, max-age=31536000, immutable')
      .sendFile(request.params['*'], join(root, 'assets')),
  )
  for (const entry of readdirSync(root, { withFileTypes: true }))
    if (entry.isFile() && entry.name !== PAGE && !/\.(br|gz)$/.test(entry.name))
      app.get(`/${encodeURI(entry.name)}`, (_request, reply) =>
        reply.header('cache-control', 'public, max-age=3600').sendFile(entry.name),
      )
}

/** Whether a person asks: browsers name HTML when they navigate, programs don't. */
const asksForPage = ({ method, headers }: FastifyRequest): boolean =>
  (method === 'GET' || method === 'HEAD') && /\btext\/html\b/i.test(headers.accept ?? '')

/**
 * Answers a request for an address that nothing has. A person gets the page, which says so.
 * @param root the folder of the built UI
 */
export const refuseUnknownAddress =
  (root: string) =>
  async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const page = asksForPage(request) && (await readFile(join(root, PAGE)).catch(() => undefined))
    if (page)
      return reply.status(404).header('cache-control', 'no-store').type('text/html').send(page)
    throw isReadable(request.originalUrl)
      ? new Fault('not_found', { detail: 'There is nothing at this address' })
      : new Fault('invalid', { detail: 'The address is not valid' })
  }

/** An address that nothing has. */
const UNKNOWN = '/-'

/** An address that isn't UTF-8 names nothing. As an unknown one, it passes all hooks. */
export const routableUrl = ({ url = '' }: { url?: string }): string =>
  isReadable(url) ? url : UNKNOWN

function isReadable(url: string): boolean {
  try {
    decodeURIComponent(url.split('?', 1)[0]!)
    return true
  } catch {
    return false
  }
}
