// The cookie jar keeps a Node program signed in, as a browser does by itself.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { cookieJar } from '@lockstep/client/node'

/** A server that sets the cookies that the path spells, and answers with those that it received. */
async function startCookieServer(): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer((request, response) => {
    const cookies = decodeURIComponent(request.url ?? '')
      .slice(1)
      .split('|')
      .filter(Boolean)
    response.setHeader('set-cookie', cookies).end(request.headers.cookie ?? 'none')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

test('a jar keeps cookies, replaces them, and drops those that have expired', async () => {
  await using server = await startCookieServer()
  const jar = cookieJar()
  const get = async (...cookies: string[]): Promise<string> => {
    const url = `${server.url}/${encodeURIComponent(cookies.join('|'))}`
    return (await jar.fetch(url, { headers: jar.headers() })).text()
  }
  expect(jar.headers()).toEqual({})
  expect(await get('session=a=b; Path=/; HttpOnly', 'other=1')).toBe('none')
  expect(await get('session=c; Max-Age=60')).toBe('session=a=b; other=1')
  expect(await get('other=; Expires=Thu, 01 Jan 1970 00:00:00 GMT')).toBe('session=c; other=1')
  expect(await get('session=; Max-Age=0; Expires=Fri, 01 Jan 2100 00:00:00 GMT')).toBe('session=c')
  expect(await get()).toBe('none')
})

test('two jars don’t share cookies', async () => {
  await using server = await startCookieServer()
  const [phone, laptop] = [cookieJar(), cookieJar()]
  await phone.fetch(`${server.url}/session=phone`)
  expect(phone.headers()).toEqual({ cookie: 'session=phone' })
  expect(laptop.headers()).toEqual({})
})
