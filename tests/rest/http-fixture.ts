// The HTTP server of a node on its own: real HTTP, with handlers that only echo their input, and
// with alice as the only user.
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { expect } from 'vitest'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { createSessionCookie } from '../../realtime/auth/session-cookie.ts'
import type { Identity, Sessions } from '../../realtime/auth/sessions.ts'
import type { Handlers } from '../../realtime/http/route-handler.ts'
import { createHttp, type HttpDeps } from '../../realtime/http/http.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { createMetrics } from '../../realtime/observability/metrics.ts'
import type { HttpResponse } from '../harness/person.ts'

export const alice: Identity = {
  user_id: newId(),
  username: 'alice',
  session_id: newId(),
  device: 'Firefox on Linux',
  session_created_at: new Date(),
  user_created_at: new Date(),
  expires_at: new Date(Date.now() + 1e9),
  stale_cookie: false,
}

/** Sessions for which the header `cookie: alice` signs alice in. */
export const sessionsFor = (identity: Identity): Sessions => ({
  cookie: createSessionCookie(['a secret that only the tests know, 32+']),
  identify: (cookie) => Promise.resolve(cookie === 'alice' ? identity : undefined),
  isCurrent: () => Promise.resolve(true),
  alive: (ids) => Promise.resolve(new Map(ids.map((id) => [id, identity.expires_at]))),
  admits: () => Promise.resolve(true),
  open: () => Promise.reject(new Error('not here')),
  renewId: () => Promise.reject(new Error('not here')),
  replace: () => Promise.reject(new Error('not here')),
})

export const signedIn = { cookie: 'alice' }
export const json = { ...signedIn, 'content-type': 'application/json' }

export async function serveHttp(handlers: Handlers, deps: Partial<HttpDeps> = {}) {
  const http = await createHttp({
    config: { publicOrigins: [], trustProxy: false },
    handlers,
    sessions: sessionsFor(alice),
    tokens: {
      identify: () => Promise.resolve(undefined),
      isServiceKey: () => false,
      alive: () => Promise.resolve(new Map()),
    },
    toFault: (error) => (error instanceof Fault ? error : new Fault('internal', {}, error)),
    isReady: () => Promise.resolve(true),
    uiRoot: '/nowhere',
    logger: createLogger('silent'),
    metrics: createMetrics(),
    ...deps,
  })
  http.server.listen(0, '127.0.0.1')
  await once(http.server, 'listening')
  const { port } = http.server.address() as AddressInfo
  return { port, url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: () => http.stop() }
}

/** Handlers that echo the body as preferences, or fail. */
export const echo: Handlers = {
  putPreferences: ({ body }, { if_version }) =>
    Promise.resolve({ preferences: body, version: if_version ?? 1, epoch: 'e', seq: 0 }),
  logout: () => Promise.resolve(undefined),
  login: () => Promise.reject(new Fault('invalid_credentials')),
  getPreferences: () => Promise.resolve({ preferences: {}, version: 3, epoch: 'e', seq: 0 }),
  getConversation: () => Promise.reject(new Fault('not_found')),
}

export function expectProblem(reply: HttpResponse, code: string, status: number): void {
  expect(reply.body).toMatchObject({
    code,
    status,
    type: expect.any(String),
    title: expect.any(String),
    detail: expect.any(String),
  })
  expect(reply.status).toBe(status)
  expect(reply.headers.get('content-type')).toBe('application/problem+json')
  expect(reply.headers.get('cache-control')).toBe('no-store')
}
