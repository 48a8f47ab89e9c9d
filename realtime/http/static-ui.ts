// Serves the built UI. Files with a hash in their name may be cached for ever. The page that refers
// to them is revalidated each time.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance, FastifyReply } from 'fastify'

const PAGE = 'index.html'
const MISSING = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Lockstep</title>
<h1>The pages have not been built</h1><p>Run <code>npm run build</code> and restart the server. The API works without the pages.</p></html>`

/**
 * Serves one page at `/` and at every `/app/…`, where it does its own routing, and the files beside
 * it.
 * @param root the folder of the built UI
 */
export async function serveUi(app: FastifyInstance, root: string): Promise<void> {
  if (!existsSync(join(root, PAGE))) {
    const missing = (_request: unknown, reply: FastifyReply) =>
      reply.status(503).header('cache-control', 'no-store').type('text/html').send(MISSING)
    for (const url of ['/', '/app', '/app/*']) app.get(url, missing)
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
  for (const url of ['/', '/app', '/app/*']) app.get(url, page)

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
