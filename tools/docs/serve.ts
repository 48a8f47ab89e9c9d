// `npm run docs`: builds the site and serves it on this machine. What the interactive page sends to
// /server/ goes on to a Lockstep server, which therefore needs no setting for this page.
import fs from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'

const mediaTypes: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.md': 'text/markdown; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
}

export interface DocsServer extends AsyncDisposable {
  url: string
}

/**
 * Serves the site in `folder`.
 * @param lockstep the address of the server that the interactive page talks to
 */
export async function serveSite(
  folder: string,
  port: number,
  lockstep: string,
): Promise<DocsServer> {
  const server = http.createServer((request, response) => {
    const { pathname, search } = new URL(request.url ?? '/', 'http://docs')
    const answer = pathname.startsWith('/server/')
      ? passOn(request, response, new URL(pathname.slice('/server'.length) + search, lockstep))
      : sendFile(folder, pathname, response)
    answer.catch(() => response.destroy())
  })
  await new Promise<void>((done) => void server.listen(port, '127.0.0.1', done))
  const { port: actual } = server.address() as AddressInfo // it listens on TCP
  return {
    url: `http://127.0.0.1:${actual}`,
    [Symbol.asyncDispose]: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}

async function sendFile(
  folder: string,
  pathname: string,
  response: http.ServerResponse,
): Promise<void> {
  const file = path.join(folder, decodeURIComponent(pathname.replace(/\/$/, '/index.html')))
  const isInside = file.startsWith(folder + path.sep)
  if (!isInside || !fs.statSync(file, { throwIfNoEntry: false })?.isFile()) {
    response.writeHead(404, { 'content-type': 'text/plain' }).end('There is no such page\n')
    return
  }
  const type = mediaTypes[path.extname(file)] ?? 'application/octet-stream'
  response.writeHead(200, { 'content-type': type, 'x-content-type-options': 'nosniff' })
  await pipeline(fs.createReadStream(file), response)
}

/**
 * Only for the site's own page: the server that receives the request can't tell any more which page
 * has sent it. Cookies stay here, so a page acts for nobody without a token.
 */
async function passOn(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  target: URL,
): Promise<void> {
  const { host = '', origin, cookie: _cookie, ...headers } = request.headers
  const site = request.headers['sec-fetch-site']
  const isOwnHost = /^(127\.0\.0\.1|localhost)(:\d+)?$/.test(host)
  const isOwnPage = (origin === undefined || origin === `http://${host}`) && site === 'same-origin'
  if (!isOwnHost || !isOwnPage) {
    response.writeHead(403, { 'content-type': 'text/plain' }).end('Only this site may send this\n')
    return
  }
  const onward = http.request(target, {
    method: request.method,
    headers: { ...headers, host: target.host },
  })
  const answered = new Promise<http.IncomingMessage>((done, fail) => {
    onward.once('response', done).once('error', fail)
  })
  try {
    await pipeline(request, onward)
    const { statusCode = 502, headers: answer } = await answered
    response.writeHead(statusCode, answer)
  } catch {
    response.writeHead(502, { 'content-type': 'text/plain' })
    response.end(`No Lockstep server answers at ${target.origin}. Start one with “npm start”.\n`)
    return
  }
  await pipeline(await answered, response)
}
