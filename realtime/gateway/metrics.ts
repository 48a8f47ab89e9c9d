// The metrics of the gateway.
import { Counter, Gauge, Histogram } from 'prom-client'
import type { Topic } from '@lockstep/protocol/topics'
import type { Metrics } from '../observability/metrics.ts'
import type { DeviceState } from './device.ts'
import type { DeviceTransport } from './transport.ts'

/** Why the server ended a socket. */
export type EndReason =
  'slow' | 'silent' | 'memory' | 'revoked' | 'expired' | 'orphaned' | 'flooding'

export interface GatewayMetrics {
  deviceStateChanged(
    topic: Topic,
    from: DeviceState['name'] | undefined,
    to: DeviceState['name'],
  ): void
  /** A comparison found a device behind the head of the database. */
  deviceBehind(): void
  handshakeRefused(code: string): void
  commandAnswered(topic: Topic, command: string, code: string, seconds: number): void
  eventEmitted(event: string): void
  socketEnded(reason: EndReason): void
}

/** @param transports the transports of this node; read whenever the metrics are collected */
export function createGatewayMetrics(
  metrics: Metrics,
  transports: () => Iterable<Pick<DeviceTransport, 'backlogBytes'>>,
): GatewayMetrics {
  const registers = [metrics]
  const sockets = new Gauge({
    name: 'lockstep_sockets',
    help: 'Sockets by topic and state',
    labelNames: ['topic', 'state'],
    registers,
  })
  const lags = new Counter({
    name: 'lockstep_device_lags_total',
    help: 'Times a device was too slow for the live feed',
    labelNames: ['topic'],
    registers,
  })
  const catchUps = new Counter({
    name: 'lockstep_device_catch_ups_total',
    help: 'Times a device was caught up from the log',
    labelNames: ['topic'],
    registers,
  })
  const behind = new Counter({
    name: 'lockstep_device_behind_total',
    help: 'Devices that a comparison of heads found behind the database',
    registers,
  })
  const refused = new Counter({
    name: 'lockstep_joins_refused_total',
    help: 'Refused handshakes',
    labelNames: ['code'],
    registers,
  })
  const emitted = new Counter({
    name: 'lockstep_events_emitted_total',
    help: 'Events sent to devices',
    labelNames: ['event'],
    registers,
  })
  const ended = new Counter({
    name: 'lockstep_sockets_ended_total',
    help: 'Sockets ended by the server',
    labelNames: ['reason'],
    registers,
  })
  const commands = new Histogram({
    name: 'lockstep_command_seconds',
    help: 'Time to answer a command; the code is ok or that of the error',
    labelNames: ['topic', 'command', 'code'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  })
  new Gauge({
    name: 'lockstep_backlog_bytes',
    help: 'Bytes that devices have not taken yet, over all transports',
    registers,
    collect() {
      let bytes = 0
      for (const transport of transports()) bytes += transport.backlogBytes()
      this.set(bytes)
    },
  })
  return {
    deviceStateChanged(topic, from, state) {
      if (from) sockets.dec({ topic, state: from })
      if (state !== 'gone') sockets.inc({ topic, state })
      if (state === 'lagging') lags.inc({ topic })
      if (state === 'syncing') catchUps.inc({ topic })
    },
    deviceBehind: () => behind.inc(),
    handshakeRefused: (code) => refused.inc({ code }),
    commandAnswered: (topic, command, code, seconds) =>
      commands.observe({ topic, command, code }, seconds),
    eventEmitted: (event) => emitted.inc({ event }),
    socketEnded: (reason) => ended.inc({ reason }),
  }
}
