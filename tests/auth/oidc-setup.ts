// A node whose users come by a provider of the test's, and browsers that go there and back.
import { parseSetCookie } from 'cookie'
import { afterAll, beforeAll, beforeEach, expect } from 'vitest'
import type { User } from '@lockstep/protocol/account'
import { newId } from '@lockstep/protocol/ids'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import { freshDatabase } from '../harness/database.ts'
import { keptLog } from '../harness/kept-log.ts'
import { startNode, type NodeSettings, type TestNode } from '../harness/node.ts'
import { request, type Reply } from '../harness/person.ts'
import { client, OidcProvider } from './oidc-provider.ts'

/** Where the nodes are to the world; browsers of this file know better. */
export const origin = 'https://chat.example.org'

export interface OidcSetup {
  provider: OidcProvider
  node: TestNode
  database: Database
  /** What all its nodes have logged. */
  lines: string[]
  /** Another node on the same database. */
  start(settings?: NodeSettings): Promise<TestNode>
  browser(node?: { url: string }): Browser
}

/** For all tests of a file; before each the provider is well-behaved again, and somebody new is signed in there. */
export function setUpOidc(): OidcSetup {
  const home = freshDatabase()
  const { lines, logger } = keptLog()
  const house = {
    lines,
    start: ({ options, ...settings } = {}) =>
      startNode(home, {
        publicOrigins: [origin],
        oidc: { issuer: house.provider.issuer, ...client, name: 'Example' },
        withoutPasswords: true,
        options: { logger, ...options },
        ...settings,
      }),
    browser: (node = house.node) => new Browser(node),
  } as OidcSetup
  beforeAll(async () => {
    house.provider = await OidcProvider.start()
    house.node = await house.start()
    house.database = await openDatabase(home.url)
  })
  afterAll(async () => {
    await house.database.close()
    await house.node.stop()
    await house.provider[Symbol.asyncDispose]()
    await home[Symbol.asyncDispose]()
  })
  beforeEach(() => {
    const {
      userinfo: info,
      changeClaims: twist,
      errorCode: refusal,
      unreachable: away,
      acceptsAnyVerifier: lax,
      signsWithUnknownKey: forging,
      authMethods: ways,
    } = new OidcProvider()
    const user = { sub: `subject-${newId()}`, preferred_username: `Name-${newId()}` }
    Object.assign(house.provider, { user, info, twist, refusal, away, lax, forging, ways })
  })
  return house
}

/** A browser's cookies; it believes that the node is where its public origin says. */
export class Browser {
  readonly #url: string
  readonly cookies = new Map<string, string>()

  constructor({ url }: { url: string }) {
    this.#url = url
  }

  async get<Body = Record<string, unknown>>(address: string): Promise<Reply<Body>> {
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

  /** Follows the redirect of an answer. */
  readonly next = async (address: string): Promise<string> => {
    const { headers, status } = await this.get(address)
    expect([302, 303]).toContain(status)
    return headers.get('location')!
  }

  /** The address to which the provider sends the browser back. */
  async fetchCode(): Promise<string> {
    return this.next(await this.next('/auth/oidc'))
  }

  /** Where a whole sign-in ends. */
  async signIn(): Promise<string> {
    return this.next(await this.fetchCode())
  }

  async me(): Promise<User | undefined> {
    return (await this.get<{ user?: User }>('/users/me')).body.user
  }
}
