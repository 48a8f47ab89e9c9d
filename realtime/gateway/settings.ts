// Every number of the gateway in one place; tests shrink them.
import { PROTOCOL, servedBy } from '@lockstep/protocol/version'
import type { TokenRate } from '../auth/token-bucket.ts'
import type { PendingLimits } from './pending.ts'
import type { WireLimits } from './wire.ts'

export interface GatewaySettings {
  /** Numbers of the protocol that are served. */
  protocols: readonly number[]
  wire: WireLimits
  pending: PendingLimits
  /** Events of one socket. */
  events: TokenRate
  /** Events of all sockets of one user, on this node. */
  eventsPerUser: TokenRate
  /** A socket that was refused so many events in a row is ended by the next. */
  refusals: number
  /** Namespaces joined by one user's devices, on this node. */
  joins: TokenRate
  /** Sockets of one user in one namespace, on this node. */
  socketsPerUser: number
  /** Commands of one socket that are being executed. */
  inFlight: number
  /** Devices that read the log at the same time. */
  catchUps: number
  /** Milliseconds. */
  timings: {
    /** `head` to every device, and the same for the look at its session. */
    heartbeat: number
    /** Nodes compare what they believe of each other's devices. */
    presence: number
    /** A change that is on its way gets this long before a device counts as behind. */
    grace: number
    /** A connection ends of which the network has taken nothing for so long. */
    slow: number
    /** First and longest wait before a read of the log is repeated. */
    retry: readonly [number, number]
    /** An identity read from the cookie serves the other namespaces of the connection for so long. */
    identity: number
    ping: number
    /** The answer to a ping may take so long, and as much longer as what is on its way to the slowest device takes. */
    pong: number
    /** But never longer. A device, too, takes the server for gone when it hears no ping for so long. */
    silence: number
    /** A connection must have joined a namespace by then. */
    connect: number
    /** A device whose account is gone may take so long to be told. */
    farewell: number
    /** Running commands may end before sockets are closed. */
    stop: number
  }
}

export const gatewaySettings: GatewaySettings = {
  protocols: servedBy(PROTOCOL),
  wire: { busy: 64 * 1024, end: 32 * 1024 * 1024, slowest: 16 * 1024 },
  pending: { changes: 512, bytes: 512 * 1024 },
  events: { rate: 100, burst: 200 },
  eventsPerUser: { rate: 300, burst: 1_500 },
  refusals: 500,
  joins: { rate: 50, burst: 2_000 },
  socketsPerUser: 500,
  inFlight: 200,
  catchUps: 16,
  timings: {
    heartbeat: 25_000,
    presence: 20_000,
    grace: 150,
    slow: 60_000,
    retry: [100, 5_000],
    identity: 5_000,
    ping: 25_000,
    pong: 20_000,
    silence: 240_000,
    connect: 10_000,
    farewell: 500,
    stop: 5_000,
  },
}
