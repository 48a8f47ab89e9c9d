// The contract between the table of routes and what serves it: one typed function a route, everything parsed, nothing of fastify.
import type { Readable } from 'node:stream'
import type { Answer, Asked, routes } from '@lockstep/protocol/rest'
import type { RouteName } from '@lockstep/protocol/route-paths'
import type { Identity } from '../auth/sessions.ts'
import type { CommandContext } from '../log/entry.ts'
import type { ImportBody } from '../commands/import/import-body.ts'

/** A request of anybody. */
export interface RequestContext {
  /** The visitor's IP address, by the proxy's word where it is trusted. */
  address: string
  /** A readable name of the device. */
  device: string
  /** The Idempotency-Key, else a fresh id. */
  mutation_id: string
  response: ResponseControls
}

/** A request of who is signed in. */
export interface SignedInContext extends RequestContext {
  identity: Identity
  /** Who asks, for the commands. */
  caller: CommandContext
  /** `If-Match`. */
  if_version: number | undefined
}

/** What an answer has besides its body. */
export interface ResponseControls {
  /** Instead of the route's usual one. */
  status(code: 200 | 201 | 202): void
  signIn(session_id: string): Promise<void>
  signOut(): void
  /** Aborts when nobody waits for the answer any more, or the node can't. */
  abandoned(): AbortSignal
}

/** Routes whose bodies are too large to be held, or parsed by the thread that serves: they come as they were sent, as JSON in UTF-8. */
export const spooledBodyRoutes = ['importMe'] as const satisfies readonly RouteName[]
type HandlerInput<Name extends RouteName> = Name extends (typeof spooledBodyRoutes)[number]
  ? Omit<Asked<Name>, 'body'> & { body: ImportBody }
  : Asked<Name>

type IsOpen<Name extends RouteName> = (typeof routes)[Name] extends { open: true } ? true : false

/** Throws Faults. A stream is sent as it comes, as what the route is written in. */
export type Handler<Name extends RouteName> = (
  asked: HandlerInput<Name>,
  context: IsOpen<Name> extends true ? RequestContext : SignedInContext,
) => Promise<Answer<Name> | Readable>

/** Routes without a handler answer 404. */
export type Handlers = { readonly [Name in RouteName]?: Handler<Name> }
