// Admission decides who may join a namespace. A refusal reaches the client as a `connect_error`
// with the problem as its `data`.
import type { IncomingMessage } from 'node:http'
import type { ExtendedError } from 'socket.io'
import * as z from 'zod'
import { Fault, parse, toProblem } from '@lockstep/protocol/errors'
import { Handshake } from '@lockstep/protocol/sync'
import { needAccess } from '../auth/scopes.ts'
import { KeyedTokenBuckets } from '../auth/token-bucket.ts'
import type { ConnectionIdentity, HandshakeData, TopicSocket } from './connection.ts'
import type { Intake } from './intake.ts'
import type { GatewaySettings } from './settings.ts'
import type { UserDevices } from './user-devices.ts'

/** How long a client waits before it tries again when its user has too many devices (ms). */
const TOO_MANY_DEVICES_RETRY_MS = 10_000

export interface AdmissionDeps {
  /** Whose socket this is, or undefined; one identification serves all namespaces. */
  identify: IdentifySocket
  /** Whether the page that sent this handshake may use the server. */
  originAllowed(request: IncomingMessage): boolean
  toFault(error: unknown): Fault
  isDraining(): boolean
  /** The users' devices on this node. */
  devices: UserDevices
  intake: Pick<Intake, 'join'>
  /** Called before a join is refused because its user has sent too much. */
  joinedInDebt(request: IncomingMessage, debtMs: number): void
  onRefused(fault: Fault, socket: TopicSocket): void
  settings: GatewaySettings
}

/** Read before the rest of `auth`: a client of another protocol may send another form of it. */
const ProtocolNumber = z.object({ protocol: z.number() })

/** Creates the middleware of one namespace. */
export function createAdmission(deps: AdmissionDeps) {
  const { settings } = deps
  const joins = new KeyedTokenBuckets(settings.joins)

  async function admit(socket: TopicSocket): Promise<HandshakeData> {
    const { auth } = socket.handshake
    const { success, data } = ProtocolNumber.safeParse(auth)
    if (!success || !settings.protocols.includes(data.protocol))
      throw new Fault('protocol_unsupported')
    const { since, user_id, token } = parse(Handshake, auth)
    // a token isn't sent by a browser on its own, so it doesn't matter which page sends it
    if (token === undefined && !deps.originAllowed(socket.request))
      throw new Fault('forbidden_origin')
    if (deps.isDraining()) throw new Fault('unavailable', { detail: 'This node is about to stop' })
    const identity = await deps.identify(socket, { token, user_id })
    if (!identity || (user_id !== undefined && user_id !== identity.user_id))
      throw new Fault('unauthenticated')
    needAccess(identity, 'read')
    const debtMs = deps.intake.join(identity.user_id)
    if (debtMs > 0) deps.joinedInDebt(socket.request, debtMs)
    const waitMs = debtMs || joins.take(identity.user_id)
    if (waitMs > 0) throw rateLimited(waitMs)
    if (!deps.devices.admit(identity.user_id, socket.conn))
      throw rateLimited(TOO_MANY_DEVICES_RETRY_MS)
    return { identity, since }
  }

  /**
   * The transports that have joined this namespace or are joining it (GATE-8). Socket.IO ends a
   * transport that joins twice only if the first join has been answered. Before that, the transport
   * would get two sockets that both receive everything, and could leave only one of them.
   */
  const joined = new WeakSet<TopicSocket['conn']>()

  return (socket: TopicSocket, next: (error?: ExtendedError) => void): void => {
    if (joined.has(socket.conn)) {
      const fault = new Fault('invalid', { detail: 'This namespace was already joined' })
      deps.onRefused(fault, socket)
      socket.conn.close()
      // The error reaches nobody, but Socket.IO forgets the socket.
      return next(new Error('the namespace was joined twice'))
    }
    joined.add(socket.conn)
    socket.once('disconnect', () => joined.delete(socket.conn))
    admit(socket).then(
      (handshakeData) => {
        Object.assign(socket.data, handshakeData)
        next()
      },
      (error: unknown) => {
        const fault = deps.toFault(error)
        joined.delete(socket.conn)
        deps.onRefused(fault, socket)
        next(Object.assign(new Error(fault.code), { data: toProblem(fault) }))
      },
    )
  }
}

const rateLimited = (retry_after_ms: number) => new Fault('rate_limited', { retry_after_ms })

type IdentifySocket = (
  socket: TopicSocket,
  auth: Pick<Handshake, 'token' | 'user_id'>,
) => Promise<ConnectionIdentity | undefined>

/**
 * A device joins all namespaces over one transport at about the same time, with the same cookie or
 * token. That cookie or token is checked once for all of them.
 */
export function createIdentityCache(
  identify: {
    byCookie: (
      cookieHeader: string | undefined,
      request: IncomingMessage,
    ) => Promise<ConnectionIdentity | undefined>
    byToken: (
      token: string,
      user_id: string | undefined,
      request: IncomingMessage,
    ) => Promise<ConnectionIdentity | undefined>
  },
  settings: GatewaySettings,
): IdentifySocket {
  const known = new WeakMap<
    TopicSocket['conn'],
    { until: number; name: string; identity: Promise<ConnectionIdentity | undefined> }
  >()
  return (socket, { token, user_id }) => {
    const now = performance.now()
    const recent = known.get(socket.conn)
    const name = token === undefined ? '' : `${token} ${user_id}`
    if (recent && recent.until > now && recent.name === name) return recent.identity
    const identity =
      token === undefined
        ? identify.byCookie(socket.handshake.headers.cookie, socket.request)
        : identify.byToken(token, user_id, socket.request)
    known.set(socket.conn, { until: now + settings.timings.identity, name, identity })
    identity.catch(() => known.delete(socket.conn))
    return identity
  }
}
