// What the nodes of a deployment share in every Redis: the names of keys and channels, and the key
// that proves that a node of this deployment has sent a message.
import { createHmac } from 'node:crypto'
import { Counter } from 'prom-client'
import type { Metrics } from '../observability/metrics.ts'
import { createMessageSeals, type MessageSeals } from './message-seals.ts'

export interface DeploymentMessages extends MessageSeals {
  /**
   * Begins every key and channel. It separates deployments that share a Redis: numbered databases
   * of Redis would not separate published messages.
   */
  readonly prefix: string
  /** Begins every channel. Messages without an authentication code have other channels. */
  readonly channelPrefix: string
  /** The message in a channel; undefined, and counted, if no node of this deployment sent it. */
  open(channel: string, sealed: Buffer): Buffer | undefined
  /** Counts a message that a node of this deployment sent and that can't be understood. */
  countMalformed(): void
  /**
   * A name for a part of a key that tells something of a person. Only the nodes of this deployment
   * can compute it.
   */
  pseudonymOf(text: string | number): string
}

/**
 * @param deployment a name that only the nodes of one deployment share
 * @param key a secret that only the nodes of one deployment share
 */
export function createDeploymentMessages(
  deployment: string,
  key: string,
  metrics: Metrics,
): DeploymentMessages {
  const seals = createMessageSeals(key)
  const refused = new Counter({
    name: 'lockstep_redis_refused_total',
    help: 'Messages that were not from a node of this deployment, or not understood',
    labelNames: ['reason'],
    registers: [metrics],
  })
  const prefix = `lockstep:${deployment}`
  return {
    prefix,
    channelPrefix: `${prefix}:sealed`,
    seal: seals.seal,
    open(channel, sealed) {
      const message = seals.open(channel, sealed)
      if (!message) refused.inc({ reason: 'forged' })
      return message
    },
    countMalformed: () => refused.inc({ reason: 'malformed' }),
    pseudonymOf: (text) =>
      createHmac('sha256', key).update(`key\0${text}`).digest('base64url').slice(0, 22),
  }
}
