// Notes what sockets are refused, at the handshake and later. Refusals for want of a right are in
// the security log, the others only in the server's log.
import type { IncomingMessage } from 'node:http'
import type { ErrorCode } from '@lockstep/protocol/error-codes'
import type { Fault } from '@lockstep/protocol/errors'
import type { Logger } from '../observability/logger.ts'
import type { SecurityLog } from '../observability/security-log.ts'
import type { Connection, TopicSocket } from './connection.ts'

const ofSecurity: ReadonlySet<ErrorCode> = new Set([
  'unauthenticated',
  'forbidden_origin',
  'forbidden_scope',
])

export interface RefusalsDeps {
  addressOf(request: IncomingMessage): string
  logger: Logger
  security?: SecurityLog
  /** Counts a handshake that was refused. */
  count(code: ErrorCode): void
}

export function createRefusals({ addressOf, logger, security, count }: RefusalsDeps) {
  return {
    ofHandshake(fault: Fault, { nsp, handshake, request }: TopicSocket): void {
      const { code } = fault
      const address = addressOf(request)
      count(code)
      if (ofSecurity.has(code))
        security?.note('handshake_refused', { reason: code, address, route: nsp.name })
      if (code === 'internal')
        return logger.error({ err: fault.cause ?? fault }, 'a handshake failed unexpectedly')
      const { origin, host } = handshake.headers
      const page = code === 'forbidden_origin' ? { origin, host } : {}
      logger.info({ topic: nsp.name.slice(1), code, address, ...page }, 'a handshake was refused')
    },
    ofCommand({ identity, socket, topic }: Connection, code: ErrorCode): void {
      if (!ofSecurity.has(code)) return
      const { username: account, user_id, session_id, device } = identity
      security?.note('command_refused', {
        ...{ account, user_id, session_id, device, reason: code },
        ...{ address: addressOf(socket.request), route: `/${topic}` },
      })
    },
  }
}
