// The interface between the table of routes and the handlers: one typed function per route. A
// handler gets parsed values and doesn't know fastify.
import type { Readable } from 'node:stream'
import type { Answer, Asked, routes } from '@lockstep/protocol/rest'
import type { RouteName } from '@lockstep/protocol/route-paths'
import type { Identity } from '../auth/sessions.ts'
import type { CommandContext } from '../log/entry.ts'
import type { ImportBody } from '../commands/import/import-body.ts'
import type { StreamedBody } from './streamed-body.ts'

/** The context of any request. */
export interface RequestContext {
  /** The client's IP address; behind a trusted proxy, the one that the proxy reports. */
  address: string
  /** The origin of the page that asks; for a program, of the address that it asks. */
  origin: string
  /** A readable name of the device. */
  device: string
  /** The `Idempotency-Key`; a new id if there is none. */
  mutation_id: string
  response: ResponseControls
  /** Who is signed in by the request's cookie, on a route that is open to anybody. */
  present(): Promise<Identity | undefined>
}

/** The context of a request of a signed-in user. */
export interface SignedInContext extends RequestContext {
  identity: Identity
  /** The user, session, device and mutation id, as commands take them. */
  caller: CommandContext
  /** The version in `If-Match`. */
  if_version: number | undefined
  /** The `caller` of a command that counts only if its entity has the version in `If-Match`. */
  conditional: CommandContext
  /** `If-None-Match: *`: the request counts only if its entity doesn't exist. */
  only_if_absent: boolean
}

/** Controls the parts of a response besides its body. */
export interface ResponseControls {
  /** Replaces the route's usual status. */
  status(code: 200 | 201 | 202): void
  signIn(session_id: string): Promise<void>
  signOut(): void
  /** The signal aborts when the client has disconnected or the node is stopping. */
  abandoned(): AbortSignal
}

/**
 * Routes whose bodies are too large to be held in memory or to be parsed in the main thread. Their
 * handlers get the body as it was sent: JSON in UTF-8.
 */
export const spooledBodyRoutes = ['importMe'] as const satisfies readonly RouteName[]
/** Routes whose bodies are read while they come. Their handlers get the body unread. */
export const streamedBodyRoutes = ['produceReply'] as const satisfies readonly RouteName[]

interface BodyOf {
  importMe: ImportBody
  produceReply: StreamedBody
}
type HandlerInput<Name extends RouteName> = Name extends keyof BodyOf
  ? Omit<Asked<Name>, 'body'> & { body: BodyOf[Name] }
  : Asked<Name>

type IsOpen<Name extends RouteName> = (typeof routes)[Name] extends
  { open: true } | { access: 'service' }
  ? true
  : false

/** Throws Faults. A returned stream is sent unchanged, with the media type of the route. */
export type Handler<Name extends RouteName> = (
  input: HandlerInput<Name>,
  context: IsOpen<Name> extends true ? RequestContext : SignedInContext,
) => Promise<Answer<Name> | Readable>

/** A route without a handler responds with 404. */
export type Handlers = { readonly [Name in RouteName]?: Handler<Name> }
