// Every number of the gateway in one place. Tests make them smaller.
import { PROTOCOL, servedBy } from '@lockstep/protocol/version'
import type { TokenRate } from '../auth/token-bucket.ts'
import type { MemoryBudget } from '../concurrency/memory-budget.ts'
import type { ChangeBufferLimits } from './change-buffer.ts'
import type { TransportLimits } from './transport.ts'

export interface GatewaySettings {
  /** The protocol numbers that are served. */
  protocols: readonly number[]
  transport: TransportLimits
  /** What devices have not read, and what they have not finished sending (bytes). */
  unread: MemoryBudget
  unfinished: MemoryBudget
  /** Limits of the changes that wait for one device. */
  buffer: ChangeBufferLimits
  /** Events sent by one socket. */
  events: TokenRate
  /** Packets of all sockets of one user on this node; large ones count several times. */
  eventsPerUser: TokenRate
  /** Reports of developers' tools of one user that this node passes on. */
  traces: TokenRate
  /** After this many refused events in a row, the next one ends the socket. */
  refusals: number
  /** New transports from one address, on this node. */
  connections: TokenRate
  /** Handshakes of one user on this node, in each namespace. */
  joins: TokenRate
  /** Devices (transports) of one user on this node. */
  devicesPerUser: number
  /** Commands of one socket that run at the same time. */
  inFlight: number
  /** Reads of the log that run at the same time. */
  catchUps: number
  /** Milliseconds. */
  timings: {
    /** Interval at which the devices of a topic in use get a `head`. */
    head: number
    /** For how long after its last change a topic counts as in use. */
    inUse: number
    /** The same interval for the devices of all other topics. */
    quietHead: number
    /**
     * How long after a change a node announces the head to its peers, in case they missed the
     * change.
     */
    announce: number
    /** Interval at which the sessions of all sockets are checked. */
    sessions: number
    /** Interval at which nodes compare what they know of each other's connections. */
    presence: number
    /** How long a change may be on its way before its device counts as behind. */
    grace: number
    /** A transport ends after this time in which the network has taken nothing of its backlog. */
    slow: number
    /** First and longest wait before a failed read of the log is repeated. */
    retry: readonly [first: number, longest: number]
    /** How long an identity read from a cookie serves the other namespaces of the transport. */
    identity: number
    /** Interval of pings. */
    ping: number
    /**
     * How long the answer to a ping may take, in addition to the time that the slowest device needs
     * for what was sent before the ping.
     */
    pong: number
    /**
     * The longest time for an answer to a ping in any case. A device that hears no ping for this
     * long considers the server gone.
     */
    silence: number
    /** A transport must have joined a namespace within this time. */
    connect: number
    /** How long the devices of a closed account have to receive that change. */
    farewell: number
    /** How long running commands may take to end when the gateway stops. */
    stop: number
  }
}

export const gatewaySettings: GatewaySettings = {
  protocols: servedBy(PROTOCOL),
  transport: {
    busyBytes: 64 * 1024,
    maxBytes: 32 * 1024 * 1024,
    slowestBytesPerSecond: 16 * 1024,
  },
  unread: { perOwner: 48 * 1024 ** 2, inAll: 192 * 1024 ** 2 },
  unfinished: { perOwner: 8 * 1024 ** 2, inAll: 64 * 1024 ** 2 },
  buffer: { changes: 512, bytes: 512 * 1024 },
  events: { rate: 100, burst: 200 },
  eventsPerUser: { rate: 300, burst: 1_500 },
  traces: { rate: 20, burst: 100 },
  refusals: 500,
  connections: { rate: 200, burst: 20_000 },
  joins: { rate: 50, burst: 2_000 },
  devicesPerUser: 50,
  inFlight: 200,
  catchUps: 16,
  timings: {
    head: 25_000,
    inUse: 300_000,
    // 10,000 tabs with four topics each then cost 80 look-ups of heads and 11 of sessions a second
    quietHead: 500_000,
    announce: 15_000,
    sessions: 900_000,
    presence: 20_000,
    grace: 150,
    slow: 60_000,
    retry: [200, 5_000],
    identity: 5_000,
    ping: 25_000,
    pong: 20_000,
    silence: 240_000,
    connect: 10_000,
    farewell: 500,
    stop: 5_000,
  },
}
