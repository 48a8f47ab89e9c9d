// The devices of this node by topic and user: every change, delta and head of the database reaches them through here.
import { setTimeout as sleep } from 'node:timers/promises'
import type { WireChange } from '@lockstep/protocol/change'
import type { Cursor } from '@lockstep/protocol/cursor'
import type { Delta } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'
import type { Logger } from '../observability/logger.ts'
import type { Log } from '../log/log.ts'
import type { Connection } from './connection.ts'

const HEADS_PER_BATCH = 500

const none: ReadonlySet<Connection> = new Set()

/** What a comparison is to do with a device that is behind. */
type Visit = (member: Connection, head: Cursor) => void

export interface HubPorts {
  log: Pick<Log, 'heads'>
  logger: Logger
  graceMs: number
  /** Waits before a failed comparison is repeated. */
  pause(attempt: number): Promise<void>
  /** A comparison found a device behind that the feed should have served. */
  behind(): void
}

export class Hub {
  readonly #ports: HubPorts
  /** By `<user>:<topic>`. */
  readonly #members = new Map<string, Set<Connection>>()
  #comparing: Promise<void> | undefined
  #again: Promise<void> | undefined
  #stopped = false

  constructor(ports: HubPorts) {
    this.#ports = ports
  }

  add(member: Connection): void {
    const key = keyOf(member.identity.user_id, member.topic)
    const members = this.#members.get(key)
    if (members) members.add(member)
    else this.#members.set(key, new Set([member]))
  }

  remove(member: Connection): void {
    const key = keyOf(member.identity.user_id, member.topic)
    const members = this.#members.get(key)
    members?.delete(member)
    if (members?.size === 0) this.#members.delete(key)
  }

  of(user_id: string, topic: Topic): ReadonlySet<Connection> {
    return this.#members.get(keyOf(user_id, topic)) ?? none
  }

  /** Users with a device in this topic. */
  users(topic: Topic): string[] {
    const end = `:${topic}`
    return [...this.#members.keys()]
      .filter((key) => key.endsWith(end))
      .map((key) => key.slice(0, -end.length))
  }

  *all(): Generator<Connection> {
    for (const members of this.#members.values()) yield* members
  }

  change(user_id: string, change: WireChange): void {
    for (const { device } of this.of(user_id, change.topic)) device.offer(change)
  }

  delta(user_id: string, topic: Topic, delta: Delta): void {
    for (const { device } of this.of(user_id, topic)) device.delta(delta)
  }

  /** Compares all heads. Calls during a comparison share the next one, which begins after them. */
  compareAll(): Promise<void> {
    if (!this.#comparing) {
      this.#comparing = this.#compareUntilDone().finally(() => (this.#comparing = undefined))
      return this.#comparing
    }
    this.#again ??= this.#comparing.then(() => {
      this.#again = undefined
      return this.compareAll()
    })
    return this.#again
  }

  /** Compares these heads, and catches up who is behind after the grace. Rejects when the database is away. */
  async compare(keys: readonly string[], visit?: Visit): Promise<void> {
    const heads = await this.#ports.log.heads(keys)
    const late: [Connection, Cursor][] = []
    for (const [key, head] of heads)
      for (const member of this.#members.get(key) ?? none) {
        if (member.device.lacks(head)) late.push([member, head])
        visit?.(member, head)
      }
    if (late.length === 0) return
    await sleep(this.#ports.graceMs) // what the feed is bringing right now is not missing
    for (const [{ device }, head] of late) if (device.compare(head)) this.#ports.behind()
  }

  /** Catches up the devices of one user and topic who are behind this head of the database. */
  compareWith(user_id: string, topic: Topic, head: Cursor): void {
    for (const { device } of this.of(user_id, topic)) if (device.compare(head)) this.#ports.behind()
  }

  /** Tells every device its head, in batches spread over the interval. Never rejects. */
  async heartbeat(intervalMs: number): Promise<void> {
    const keys = [...this.#members.keys()]
    const batches = Math.max(1, Math.ceil(keys.length / HEADS_PER_BATCH))
    for (let batch = 0; batch < batches && !this.#stopped; batch++) {
      const from = batch * HEADS_PER_BATCH
      try {
        await this.compare(keys.slice(from, from + HEADS_PER_BATCH), ({ device }, head) =>
          device.heartbeat(head),
        )
      } catch (error) {
        this.#ports.logger.debug({ err: error }, 'no heads for a heartbeat')
      }
      await sleep(intervalMs / batches, undefined, { ref: false })
    }
  }

  stop(): void {
    this.#stopped = true
  }

  async #compareUntilDone(): Promise<void> {
    for (let attempt = 1; !this.#stopped; attempt++) {
      try {
        const keys = [...this.#members.keys()]
        for (let from = 0; from < keys.length; from += HEADS_PER_BATCH)
          await this.compare(keys.slice(from, from + HEADS_PER_BATCH))
        return
      } catch (error) {
        this.#ports.logger.warn({ err: error, attempt }, 'heads could not be compared yet')
        await this.#ports.pause(attempt)
      }
    }
  }
}

const keyOf = (user_id: string, topic: Topic): string => `${user_id}:${topic}`
