// A Redis in memory, as far as a node uses it: sharded and plain channels, and leases.
import { EventEmitter } from 'node:events'
import type { Redis } from 'ioredis'
import type { RedisConnections } from '../../realtime/redis/connections.ts'
import type { MemoryNetwork } from './memory-network.ts'

type Kind = 'messageBuffer' | 'smessageBuffer'
type Subscribers = Map<string, Set<EventEmitter>>

export class MemoryRedis {
  readonly #network: MemoryNetwork
  readonly #subscribers: Record<Kind, Subscribers> = {
    messageBuffer: new Map(),
    smessageBuffer: new Map(),
  }
  /** The holder of each lease, until it expires, and the generation. */
  readonly #leases = new Map<string, { holder: string; until: number }>()
  readonly #generations = new Map<string, number>()
  /** What was published, and to how many subscribers. */
  readonly counts = { sharded: 0, plain: 0, deliveries: 0, bytes: 0 }

  constructor(network: MemoryNetwork) {
    this.#network = network
  }

  publish(kind: Kind, channel: string, payload: Buffer): number {
    const receivers = this.#subscribers[kind].get(channel)
    this.counts[kind === 'messageBuffer' ? 'plain' : 'sharded']++
    this.counts.bytes += payload.length
    if (!receivers) return 0
    this.counts.deliveries += receivers.size
    const name = Buffer.from(channel)
    this.#network.carry(() => {
      for (const receiver of receivers) receiver.emit(kind, name, payload)
    })
    return receivers.size
  }

  /** The two connections of a node. */
  connect(): RedisConnections {
    const commands = Object.assign(new EventEmitter(), {
      publish: async (channel: string, payload: Buffer) =>
        this.publish('messageBuffer', channel, payload),
      spublish: async (channel: string, payload: Buffer) =>
        this.publish('smessageBuffer', channel, payload),
      ping: async () => 'PONG',
      set: async (key: string, holder: string, _unit: 'PX', ttlMs: number) =>
        this.#take(key, holder, ttlMs),
      eval: async (script: string, keys: number, ...args: (string | number)[]) =>
        this.#lease(script, args.slice(0, keys).map(String), args.slice(keys)),
      call: async (_name: string, _kind: string, channel: string) => [
        channel,
        String(this.#subscribers.smessageBuffer.get(channel)?.size ?? 0),
      ],
    })
    const subscriber = Object.assign(new EventEmitter(), { status: 'ready' })
    const change =
      (kind: Kind, isAdded: boolean) =>
      async (...channels: string[]) => {
        for (const channel of channels) this.#subscribe(kind, channel, subscriber, isAdded)
      }
    Object.assign(subscriber, {
      subscribe: change('messageBuffer', true),
      ssubscribe: change('smessageBuffer', true),
      unsubscribe: change('messageBuffer', false),
      sunsubscribe: change('smessageBuffer', false),
    })
    setImmediate(() => {
      commands.emit('ready')
      subscriber.emit('ready')
    })
    // Assertions: a node uses no other members of the client than these.
    return {
      commands: commands as unknown as Redis,
      subscriber: subscriber as unknown as Redis,
      reconnect: () => undefined,
      stop: () => undefined,
    }
  }

  #subscribe(kind: Kind, channel: string, subscriber: EventEmitter, isAdded: boolean): void {
    const known = this.#subscribers[kind]
    const receivers = known.get(channel) ?? new Set()
    if (isAdded) known.set(channel, receivers.add(subscriber))
    else if (receivers.delete(subscriber) && receivers.size === 0) known.delete(channel)
  }

  #holderOf(key: string): string | undefined {
    const lease = this.#leases.get(key)
    return lease && lease.until > performance.now() ? lease.holder : undefined
  }

  #take(key: string, holder: string, ttlMs: number): 'OK' | null {
    if (this.#holderOf(key) !== undefined) return null
    this.#leases.set(key, { holder, until: performance.now() + ttlMs })
    return 'OK'
  }

  /** The three scripts of `redis/lease.ts`. */
  #lease(script: string, [key = '', generationKey]: string[], args: (string | number)[]): number {
    const [holder = '', ttlMs = 0, floor = 0] = args
    if (this.#holderOf(key) !== holder) return 0
    if (script.includes('DEL')) return Number(this.#leases.delete(key))
    this.#leases.set(key, { holder, until: performance.now() + Number(ttlMs) })
    if (generationKey === undefined) return 1
    const generation = Math.max(this.#generations.get(generationKey) ?? 0, Number(floor)) + 1
    this.#generations.set(generationKey, generation)
    return generation
  }
}
