// What isn't part of the API: the pages and the operator routes.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { request } from '../harness/person.ts'
import { echo, expectProblem, serveHttp, signedIn } from './http-fixture.ts'

describe('pages', () => {
  test('are protected: no foreign script runs in them, and no site can frame them', async () => {
    await using http = await serveHttp(echo)
    const { headers } = await request(`${http.url}/`, 'GET')
    const policy = headers.get('content-security-policy')!
    expect(policy).toContain("script-src 'self';")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toMatch(/script-src[^;]*unsafe|upgrade-insecure-requests/)
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('x-frame-options')).toBe('DENY')
    expect(headers.get('strict-transport-security')).toBeNull()
    expect(headers.get('x-powered-by')).toBeNull()
  })

  test('say so if they are not built, and the API works', async () => {
    await using http = await serveHttp(echo)
    for (const path of ['/', '/app', '/app/c/x']) {
      const reply = await request<string>(http.url + path, 'GET')
      expect(reply.status).toBe(503)
      expect(reply.body).toContain('npm run build')
    }
    expect((await request(`${http.url}/healthz`, 'GET')).status).toBe(200)
  })

  test('are one page at every address of the app, and files', async () => {
    const uiRoot = await mkdtemp(join(tmpdir(), 'lockstep-ui-'))
    await mkdir(join(uiRoot, 'assets'))
    await writeFile(join(uiRoot, 'index.html'), '<!doctype html>the page')
    await writeFile(join(uiRoot, 'favicon.svg'), '<svg/>')
    await writeFile(join(uiRoot, 'assets', 'main-abc123.js'), 'run()')
    await writeFile(join(uiRoot, 'assets', '.hidden'), 'secret')
    try {
      await using http = await serveHttp(echo, { uiRoot })
      for (const path of ['/', '/app', '/app/c/1?x=y', '/app/settings']) {
        const { body, headers } = await request<string>(http.url + path, 'GET')
        expect(body).toBe('<!doctype html>the page')
        expect(headers.get('content-type')).toMatch(/^text\/html/)
        expect(headers.get('cache-control')).toBe('no-cache')
      }
      const script = await request<string>(`${http.url}/assets/main-abc123.js`, 'GET')
      expect(script.body).toBe('run()')
      expect(script.headers.get('content-type')).toMatch(/javascript/)
      expect(script.headers.get('cache-control')).toContain('immutable')
      expect((await request(`${http.url}/favicon.svg`, 'GET')).headers.get('content-type')).toBe(
        'image/svg+xml',
      )
      const nowhere = [
        'none.js',
        '.hidden',
        '',
        '..%2findex.html',
        '..%2f..',
        '..%2f..%2f..%2fetc%2fpasswd',
        '%2e%2e%2f',
        '..%5c..',
        'a%00',
        '%2fetc%2fpasswd',
        'main-abc123.js%2f..%2f..%2f..',
      ]
      for (const path of nowhere)
        expectProblem(await request(`${http.url}/assets/${path}`, 'GET'), 'not_found', 404)
    } finally {
      await rm(uiRoot, { recursive: true })
    }
  })
})

describe('an address that nothing has', () => {
  const asPerson = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }
  const unknown = [
    '/nonsense',
    '/app/nonsense',
    '/app/c',
    '/app/c/a/b',
    '/conversationsx',
    '/assetsx',
  ]
  const malformed = ['/app/c/%E0%A4%A', '/%', '/conversations/%ff', '/app/%E0%A4%A?x=1']

  test('is a page for people and a problem for programs', async () => {
    const uiRoot = await mkdtemp(join(tmpdir(), 'lockstep-ui-'))
    await writeFile(join(uiRoot, 'index.html'), '<!doctype html>the page')
    try {
      await using http = await serveHttp(echo, { uiRoot })
      for (const path of [...unknown, ...malformed, `/app/c/${'x'.repeat(3_000)}/y`]) {
        const { status, body, headers } = await request<string>(
          http.url + path,
          'GET',
          undefined,
          asPerson,
        )
        expect([path, status, body]).toEqual([path, 404, '<!doctype html>the page'])
        expect(headers.get('content-type')).toMatch(/^text\/html/)
        expect(headers.get('content-security-policy')).toContain("script-src 'self';")
        for (const accept of ['application/json', '*/*']) {
          const answer = await request(http.url + path, 'GET', undefined, { accept })
          if (malformed.includes(path)) expectProblem(answer, 'invalid', 422)
          else expectProblem(answer, 'not_found', 404)
        }
        expect((await request(http.url + path, 'POST', undefined, asPerson)).status).not.toBe(200)
      }
    } finally {
      await rm(uiRoot, { recursive: true })
    }
  })

  test('is a problem for everybody if the pages are not built', async () => {
    await using http = await serveHttp(echo)
    expectProblem(
      await request(`${http.url}/nonsense`, 'GET', undefined, asPerson),
      'not_found',
      404,
    )
  })
})

describe('operator routes', () => {
  test('report readiness by the state of the node, and liveness always', async () => {
    let ready = false
    await using http = await serveHttp(echo, { isReady: () => Promise.resolve(ready) })
    expectProblem(await request(`${http.url}/readyz`, 'GET'), 'unavailable', 503)
    expect((await request(`${http.url}/healthz`, 'GET')).status).toBe(200)
    ready = true
    expect((await request(`${http.url}/readyz`, 'GET')).status).toBe(200)
  })

  test('are not ready if the check fails', async () => {
    await using http = await serveHttp(echo, { isReady: () => Promise.reject(new Error('away')) })
    expectProblem(await request(`${http.url}/readyz`, 'GET'), 'unavailable', 503)
  })

  test('count requests by route and never by path', async () => {
    await using http = await serveHttp(echo)
    const id = newId()
    await request(`${http.url}/conversations/${id}`, 'GET', undefined, signedIn)
    const { body, headers } = await request<string>(`${http.url}/metrics`, 'GET')
    expect(headers.get('content-type')).toMatch(/^text\/plain/)
    expect(body).toContain(
      'lockstep_http_request_seconds_count{method="GET",route="/conversations/:id",status="404"} 1',
    )
    expect(body).not.toContain(id)
  })
})
