// Who may join a namespace. A refusal reaches the client as a `connect_error` with the problem as its `data`.
import type { IncomingMessage } from 'node:http'
import type { ExtendedError } from 'socket.io'
import { Fault, parse, toProblem } from '@lockstep/protocol/errors'
import { Handshake } from '@lockstep/protocol/sync'
import { KeyedTokenBuckets } from '../auth/token-bucket.ts'
import type { Admitted, Identity, TopicSocket } from './connection.ts'
import type { GatewaySettings } from './settings.ts'

export interface AdmissionPorts {
  /** Whose cookie this is, on which request; undefined: nobody's. */
  identify(
    cookieHeader: string | undefined,
    request?: IncomingMessage,
  ): Promise<Identity | undefined>
  originAllowed(origin: string | undefined, host: string | undefined): boolean
  toFault(error: unknown): Fault
  draining(): boolean
  /** Sockets of the user in the namespace. */
  sockets(user_id: string): number
  settings: GatewaySettings
}

/** The middleware of every namespace. `refused` is told the code of each refusal. */
export function createAdmission(
  ports: AdmissionPorts,
  refused: (fault: Fault, socket: TopicSocket) => void,
) {
  const identities = rememberIdentities(ports)
  const joins = new KeyedTokenBuckets(ports.settings.joins)

  async function admit(socket: TopicSocket): Promise<Admitted> {
    const { auth, headers } = socket.handshake
    if (!ports.settings.protocols.includes((auth as { protocol?: unknown }).protocol as number))
      throw new Fault('protocol_unsupported')
    const { since, user_id } = parse(Handshake, auth)
    if (!ports.originAllowed(headers.origin, headers.host)) throw new Fault('forbidden_origin')
    if (ports.draining()) throw new Fault('unavailable', { detail: 'This node is about to stop' })
    const identity = await identities(socket)
    if (!identity || (user_id !== undefined && user_id !== identity.user_id))
      throw new Fault('unauthenticated')
    const wait = joins.take(identity.user_id)
    if (wait > 0) throw tooMany(wait)
    if (ports.sockets(identity.user_id) >= ports.settings.socketsPerUser) throw tooMany(10_000)
    return { identity, since }
  }

  /**
   * Connections that are in this namespace or on their way in. Socket.IO ends one that joins twice only when the first join has been answered:
   * before that it would become two sockets, each fed everything, of which the device could leave but one.
   */
  const joining = new WeakSet<TopicSocket['conn']>()

  return (socket: TopicSocket, next: (error?: ExtendedError) => void): void => {
    if (joining.has(socket.conn)) {
      refused(new Fault('invalid', { detail: 'It joined twice' }), socket)
      socket.conn.close()
      return next(new Error('joined twice')) // reaches nobody, but Socket.IO lets go of the socket
    }
    joining.add(socket.conn)
    socket.once('disconnect', () => joining.delete(socket.conn))
    admit(socket).then(
      (admitted) => {
        Object.assign(socket.data, admitted)
        next()
      },
      (error: unknown) => {
        const fault = ports.toFault(error)
        joining.delete(socket.conn)
        refused(fault, socket)
        next(Object.assign(new Error(fault.code), { data: toProblem(fault) }))
      },
    )
  }
}

const tooMany = (retry_after_ms: number) => new Fault('rate_limited', { retry_after_ms })

/** The namespaces of a connection are joined at about the same time with the same cookie: it is read once for them. */
function rememberIdentities(ports: AdmissionPorts) {
  const known = new WeakMap<
    TopicSocket['conn'],
    { until: number; identity: Promise<Identity | undefined> }
  >()
  return (socket: TopicSocket): Promise<Identity | undefined> => {
    const now = performance.now()
    const recent = known.get(socket.conn)
    if (recent && recent.until > now) return recent.identity
    const identity = ports.identify(socket.handshake.headers.cookie, socket.request)
    known.set(socket.conn, { until: now + ports.settings.timings.identity, identity })
    identity.catch(() => known.delete(socket.conn))
    return identity
  }
}
