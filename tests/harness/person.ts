// A user in one browser: a cookie, HTTP requests and any number of devices. A second browser of the
// same user is another `Person`.
import { randomBytes } from 'node:crypto'
import type { Session, User } from '@lockstep/protocol/account'
import { parse } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { routes, type Answer, type Asking } from '@lockstep/protocol/rest'
import type { RouteName } from '@lockstep/protocol/route-paths'
import type { Topic } from '@lockstep/protocol/topics'
import { Device, type DeviceOptions } from './device.ts'

export interface HttpResponse<Body = Record<string, unknown>> {
  status: number
  body: Body
  headers: Headers
}

/** Sends a request. Strings and bytes are sent as they are, any other body as JSON. */
export async function request<Body = Record<string, unknown>>(
  url: string,
  method: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<HttpResponse<Body>> {
  const raw = body === undefined || typeof body === 'string' || body instanceof Uint8Array
  const sent = raw ? (body as string | undefined) : JSON.stringify(body)
  const type = sent === undefined ? undefined : { 'content-type': 'application/json' }
  const response = await fetch(url, {
    method,
    body: sent,
    headers: { ...type, ...headers },
    redirect: 'manual',
  })
  const text = await response.text()
  const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '')
  return {
    status: response.status,
    body: (isJson ? JSON.parse(text) : text) as Body,
    headers: response.headers,
  }
}

type PresentPart<Part> = Part extends undefined ? undefined : Part
/** The parts of a request to a route. A part that the route doesn't have is left out. */
export type RouteRequest<Name extends RouteName> = {
  [Part in keyof Asking<Name>]?: PresentPart<Asking<Name>[Part]>
} & { headers?: Record<string, string> }

export class Person {
  readonly url: string
  readonly user: User
  readonly session: Session
  #cookie: string
  readonly password: string

  constructor(
    url: string,
    { user, session }: { user: User; session: Session },
    cookie: string,
    password: string,
  ) {
    this.url = url
    this.user = user
    this.session = session
    this.#cookie = cookie
    this.password = password
  }

  /** The `Cookie` header of this browser. */
  get cookie(): string {
    return this.#cookie
  }

  /** Any request with this browser's cookie; it keeps the one that the response sets. */
  async rest<Body = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<HttpResponse<Body>> {
    const reply = await request<Body>(this.url + path, method, body, {
      cookie: this.cookie,
      ...headers,
    })
    const renewed = cookieOf(reply.headers)
    if (/=./.test(renewed) && headers.cookie === undefined) this.#cookie = renewed
    return reply
  }

  /** A request to a route that must succeed. The response is checked against the routes' table. */
  async ask<Name extends RouteName>(
    name: Name,
    routeRequest: RouteRequest<Name> = {} as RouteRequest<Name>,
  ): Promise<Answer<Name>> {
    const { method, path } = routes[name]
    const {
      params = {},
      query = {},
      body,
      headers,
    } = routeRequest as Record<string, Record<string, string> | undefined>
    const given = Object.entries(query).filter(([, value]) => value !== undefined)
    const search = new URLSearchParams(Object.fromEntries(given)).toString()
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, key: string) => params[key]!)
    const reply = await this.rest(method, search ? `${filled}?${search}` : filled, body, headers)
    if (reply.status >= 300)
      throw new Error(`${method} ${filled}: ${reply.status} ${JSON.stringify(reply.body)}`)
    const route = routes[name]
    return ('answer' in route ? parse(route.answer, reply.body) : undefined) as Answer<Name>
  }

  /** Joins a topic's namespace with this browser's cookie. */
  device(topic: Topic, options: DeviceOptions = {}): Promise<Device> {
    return Device.open(this.url, this.cookie, topic, options)
  }

  /** The same browser, talking to another node. */
  at(node: { url: string }): Person {
    return new Person(node.url, this, this.cookie, this.password)
  }

  /** Signs the same user in with another browser. */
  signIn(node: { url: string } = this): Promise<Person> {
    return signIn(node, this.user.username, this.password)
  }
}

/** Creates an account; a suffix makes its name unique. */
export function signUp(node: { url: string }, name = 'person'): Promise<Person> {
  const username = `${name}-${randomBytes(5).toString('hex')}`
  return enter(node, '/auth/register', username, newId())
}

/** Signs in to an existing account, in a browser of its own. */
export function signIn(node: { url: string }, username: string, password: string): Promise<Person> {
  return enter(node, '/auth/login', username, password)
}

async function enter(
  node: { url: string },
  path: string,
  username: string,
  password: string,
): Promise<Person> {
  const reply = await request<{ user: User; session: Session }>(node.url + path, 'POST', {
    username,
    password,
  })
  if (reply.status >= 300)
    throw new Error(`POST ${path}: ${reply.status} ${JSON.stringify(reply.body)}`)
  return new Person(node.url, reply.body, cookieOf(reply.headers), password)
}

/** The `Cookie` header for the cookies that a response sets. */
export function cookieOf(headers: Headers): string {
  return headers
    .getSetCookie()
    .map((cookie) => cookie.split(';')[0])
    .join('; ')
}
