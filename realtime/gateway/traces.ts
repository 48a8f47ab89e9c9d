// The reports of developers' tools about a command's way to all devices. They are passed on to
// those devices of the same user that report too, and nowhere else. Nothing is stored. What comes
// too often, or for a device that reads slowly, is dropped.
import type { Trace, TraceReport } from '@lockstep/protocol/traces'
import { KeyedTokenBuckets, type TokenRate } from '../auth/token-bucket.ts'
import type { ConnectionRegistry } from './connection-registry.ts'
import type { Connection } from './connection.ts'

export interface TracesDeps {
  registry: ConnectionRegistry
  /** Reports of one user that are passed on from this node. */
  rate: TokenRate
  /** Sends the report to the other nodes that have devices of the user. */
  sendToPeers(user_id: string, trace: Trace): void
}

export interface Traces {
  /** A device of this node reports, and hears the reports of others from now on. */
  report(connection: Connection, report: TraceReport): void
  /** Takes the report of a device on another node. */
  applyRemote(user_id: string, trace: Trace): void
}

export function createTraces({ registry, rate, sendToPeers }: TracesDeps): Traces {
  const listening = new WeakSet<Connection>()
  const users = new KeyedTokenBuckets(rate)

  function tell(user_id: string, trace: Trace, except?: Connection): void {
    for (const connection of registry.connectionsOf(user_id, 'account'))
      if (connection !== except && listening.has(connection) && !connection.transport.isBusy())
        connection.socket.emit('trace', trace)
  }

  return {
    report(connection, { trace_id, timings }) {
      listening.add(connection)
      const { user_id, device } = connection.identity
      if (trace_id === null || users.take(user_id) > 0) return
      const trace: Trace = { trace_id, device, timings }
      tell(user_id, trace, connection)
      sendToPeers(user_id, trace)
    },
    applyRemote: (user_id, trace) => tell(user_id, trace),
  }
}
