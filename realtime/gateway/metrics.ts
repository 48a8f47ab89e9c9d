// The gateway's metrics.
import { Counter, Gauge, Histogram } from 'prom-client'
import type { Topic } from '@lockstep/protocol/topics'
import type { Metrics } from '../observability/metrics.ts'
import type { State } from './device.ts'
import type { Connection } from './connection.ts'

export interface GatewayMetrics {
  moved(topic: Topic, from: State['name'] | undefined, to: State['name']): void
  refused(code: string): void
  answered(topic: Topic, command: string, code: string, seconds: number): void
  /** An event of the feed's kind went out. */
  emitted(event: string): void
  /** A device was behind the database's head without the feed knowing. */
  behind(): void
  ended(reason: 'slow' | 'silent' | 'revoked' | 'expired' | 'orphaned' | 'flooding'): void
}

/** @param members all sockets of this node, looked at when metrics are collected */
export function createGatewayMetrics(
  metrics: Metrics,
  members: () => Iterable<Connection>,
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
    help: 'Time to answer a command; code is ok or the fault',
    labelNames: ['topic', 'command', 'code'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  })
  new Gauge({
    name: 'lockstep_backlog_bytes',
    help: 'Bytes that devices have not taken yet, over all connections',
    registers,
    collect() {
      let bytes = 0
      for (const wire of new Set([...members()].map((member) => member.wire)))
        bytes += wire.backlog()
      this.set(bytes)
    },
  })
  return {
    moved(topic, from, state) {
      if (from) sockets.dec({ topic, state: from })
      if (state !== 'gone') sockets.inc({ topic, state })
      if (state === 'lagging') lags.inc({ topic })
      if (state === 'syncing') catchUps.inc({ topic })
    },
    refused: (code) => refused.inc({ code }),
    answered: (topic, command, code, seconds) =>
      commands.observe({ topic, command, code }, seconds),
    emitted: (event) => emitted.inc({ event }),
    behind: () => behind.inc(),
    ended: (reason) => ended.inc({ reason }),
  }
}
