// A node whose users sign in at a provider of the test, and browsers that go to the provider and
// back.
import { parseSetCookie } from 'cookie'
import { afterAll, beforeAll, beforeEach, expect } from 'vitest'
import type { User } from '@lockstep/protocol/account'
import { newId } from '@lockstep/protocol/ids'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import { freshDatabase } from '../harness/database.ts'
import { recordingLogger } from '../harness/recording-logger.ts'
import { startNode, type NodeSettings, type TestNode } from '../harness/node.ts'
import { request, type HttpResponse } from '../harness/person.ts'
import { client, OidcProvider } from './oidc-provider.ts'

/** The public origin of the nodes. Browsers of this file send its requests to the node itself. */
export const origin = 'https://chat.example.org'

export interface OidcSetup {
  provider: OidcProvider
  node: TestNode
  database: Database
  /** The log lines of all its nodes. */
  lines: string[]
  /** Another node on the same database. */
  start(settings?: NodeSettings): Promise<TestNode>
  browser(node?: { url: string }): Browser
}

/**
 * Sets up a node and a provider for all tests of a file. Before each test the provider is reset and
 * a new user is signed in there.
 */
export function setUpOidc(): OidcSetup {
  const home = freshDatabase()
  const { lines, logger } = recordingLogger()
  const setup = {
    lines,
    start: ({ options, ...settings } = {}) =>
      startNode(home, {
        publicOrigins: [origin],
        oidc: { issuer: setup.provider.issuer, ...client, name: 'Example' },
        withoutPasswords: true,
        options: { logger, ...options },
        ...settings,
      }),
    browser: (node = setup.node) => new Browser(node),
  } as OidcSetup
  beforeAll(async () => {
    setup.provider = await OidcProvider.start()
    setup.node = await setup.start()
    setup.database = await openDatabase(home.url)
  })
  afterAll(async () => {
    await setup.database.close()
    await setup.node.stop()
    await setup.provider[Symbol.asyncDispose]()
    await home[Symbol.asyncDispose]()
  })
  beforeEach(() => {
    setup.provider.reset()
    setup.provider.user = { sub: `subject-${newId()}`, preferred_username: `Name-${newId()}` }
  })
  return setup
}

/** The lines of the security log from this line on. */
export const securityLines = (lines: readonly string[], from: number): Record<string, unknown>[] =>
  lines
    .slice(from)
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ log }) => log === 'security')

/** A browser with cookies. It treats the node as its public origin. */
export class Browser {
  readonly #url: string
  readonly cookies = new Map<string, string>()

  constructor({ url }: { url: string }) {
    this.#url = url
  }

  async get<Body = Record<string, unknown>>(address: string): Promise<HttpResponse<Body>> {
    const cookie = Array.from(this.cookies, ([name, value]) => `${name}=${value}`).join('; ')
    const reply = await request<Body>(
      address.replace(/^\/|^https:\/\/chat\.example\.org\//, `${this.#url}/`),
      'GET',
      undefined,
      { cookie },
    )
    for (const { name, value, maxAge } of reply.headers
      .getSetCookie()
      .map((line) => parseSetCookie(line)))
      if (maxAge === 0) this.cookies.delete(name)
      else this.cookies.set(name, value ?? '')
    return reply
  }

  /** Requests an address and returns the location of the redirect. */
  readonly next = async (address: string): Promise<string> => {
    const { headers, status } = await this.get(address)
    expect([302, 303]).toContain(status)
    return headers.get('location')!
  }

  /** The address to which the provider sends the browser back. */
  async fetchCode(): Promise<string> {
    return this.next(await this.next('/auth/oidc'))
  }

  /** Goes through a whole sign-in and returns the last location. */
  async signIn(): Promise<string> {
    return this.next(await this.fetchCode())
  }

  async me(): Promise<User | undefined> {
    return (await this.get<{ user?: User }>('/users/me')).body.user
  }
}
