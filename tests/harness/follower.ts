// A model client: a device that follows the client's rule of protocol/SPEC.md and nothing else,
// with the reducers of protocol/. Tests use it to ask what any correct client would hold. It never
// polls.
//
//   load over HTTP -> join with that cursor -> sync / change with seq = last + 1: apply
//                                              gap, or a head above the cursor: request the range
//                                              unknown entity or version jump:  load the entity
//                                              reset or another epoch:          load everything
import type { WireChange } from '@lockstep/protocol/change'
import type { Cursor } from '@lockstep/protocol/cursor'
import type { RangeAnswer, Sync } from '@lockstep/protocol/sync'
import { limits } from '@lockstep/protocol/limits'
import type { Device, DeviceOptions } from './device.ts'
import { eventually } from './eventually.ts'
import {
  followedTopics,
  type FollowedStateOf,
  type FollowedTopic,
  type States,
} from './followed-state.ts'
import type { Person } from './person.ts'

/** A device that keeps itself up to date. It disconnects at the end of its scope. */
export class Follower<T extends FollowedTopic> implements AsyncDisposable {
  readonly person: Person
  readonly topic: T
  /** Every `seq` that was applied, in order. */
  readonly applied: number[] = []
  /** How often the follower loaded everything, requested a range and loaded one entity. */
  readonly requests = { loads: 0, ranges: 0, entities: 0 }
  device!: Device
  cursor!: Cursor
  #state!: FollowedStateOf<T>
  #work: Promise<void> = Promise.resolve()
  #failure: unknown
  #isDropped: (event: string) => boolean = () => false

  private constructor(person: Person, topic: T) {
    this.person = person
    this.topic = topic
  }

  /** Loads the topic over HTTP, then joins with the cursor of that response. */
  static async start<T extends FollowedTopic>(
    person: Person,
    topic: T,
    options: DeviceOptions = {},
  ): Promise<Follower<T>> {
    const follower = new Follower(person, topic)
    await follower.#load()
    await follower.join(person, options)
    return follower
  }

  /** The state now, in an order in which equal states are deeply equal. */
  get state(): States[T] {
    return this.#state.state()
  }

  /** Joins again with the current cursor, if need be at another node (`person.at(node)`). */
  async join(person: Person = this.person, options: DeviceOptions = {}): Promise<void> {
    this.device = await person.device(this.topic, {
      since: this.cursor,
      user_id: person.user.id,
      ...options,
    })
    const { device } = this
    // Events that arrived before this line are in the inbox already.
    const seen = device.inbox.received.splice(0)
    device.socket.onAny((event: string, payload: unknown) => this.#take(device, event, payload))
    for (const { event, payload } of seen) {
      device.inbox.put(event, payload)
      this.#take(device, event, payload)
    }
  }

  /** From now on, drops the events for which this is true, as if the network had lost them. */
  dropEvents(isDropped: (event: string) => boolean): void {
    this.#isDropped = isDropped
  }

  /** Disconnects, as a device that falls asleep. */
  async leave(): Promise<void> {
    this.device.close()
    await this.#work
  }

  /**
   * Resolves once everything up to `seq` is applied (default: the head now). Rejects if following
   * failed, or after `ms`.
   */
  async caughtUp(seq?: number, ms = 15_000): Promise<void> {
    const goal = seq ?? (await followedTopics[this.topic].load(this.person)).cursor.seq
    const reached = async () => {
      await this.#work
      if (this.#failure !== undefined) return true
      return this.cursor.seq >= goal
    }
    await eventually(reached, { within: ms, what: `${this.topic} caught up to ${goal}` }).catch(
      (error: Error) => {
        throw new Error(`${error.message}; its cursor is at ${this.cursor.seq}`, { cause: error })
      },
    )
    if (this.#failure !== undefined) throw this.#failure
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave()
  }

  /**
   * Handles events one after the other, so that those that arrive during a load wait for its end.
   */
  #take(device: Device, event: string, payload: unknown): void {
    if (this.#isDropped(event)) return
    const handle = async () => {
      if (this.#failure !== undefined) return
      if (event === 'sync') await this.#sync(payload as Sync)
      else if (event === 'change')
        await this.#changes([payload as WireChange], (payload as WireChange).epoch)
      else if (event === 'head' && (payload as Cursor).seq > this.cursor.seq)
        await this.#fill((payload as Cursor).seq)
    }
    this.#work = this.#work.then(handle).catch((error: unknown) => {
      if (device.connected) this.#failure = error
    })
  }

  async #sync({ epoch, changes, to, reset }: Sync): Promise<void> {
    if (reset || epoch !== this.cursor.epoch) return this.#load()
    await this.#changes(changes, epoch)
    if (this.cursor.seq < to) await this.#fill(to)
  }

  async #changes(changes: readonly WireChange[], epoch: string): Promise<void> {
    if (epoch !== this.cursor.epoch) return this.#load()
    for (const change of changes) {
      if (change.seq <= this.cursor.seq) continue
      if (change.seq > this.cursor.seq + 1) await this.#fill(change.seq - 1)
      if (change.seq === this.cursor.seq + 1) await this.#apply(change)
    }
  }

  /** Requests the missing changes up to `to`. */
  async #fill(to: number): Promise<void> {
    while (this.cursor.seq < to) {
      const from = this.cursor.seq + 1
      this.requests.ranges++
      const ack = await this.device.range(from, Math.min(to, from + limits.rangeMax - 1))
      if (!ack.ok) throw new Error(`range: ${JSON.stringify(ack.error)}`)
      const { changes, reset }: RangeAnswer = ack.data
      if (reset) return this.#load()
      if (changes[0]?.seq !== from)
        throw new Error(`asked for a range from ${from}, got ${changes[0]?.seq}`)
      for (const change of changes) await this.#apply(change)
    }
  }

  async #apply(change: WireChange): Promise<void> {
    if (change.seq !== this.cursor.seq + 1)
      throw new Error(`change ${change.seq} after ${this.cursor.seq}`)
    if (!this.#state.apply(change)) {
      this.requests.entities++
      await this.#state.loadEntity(this.person, change)
    }
    this.cursor = { ...this.cursor, seq: change.seq }
    this.applied.push(change.seq)
  }

  async #load(): Promise<void> {
    this.requests.loads++
    this.#state = await followedTopics[this.topic].load(this.person)
    this.cursor = this.#state.cursor
  }
}

/** The state in the database, as a device sees it that has just loaded the topic. */
export async function storedState<T extends FollowedTopic>(
  person: Person,
  topic: T,
): Promise<States[T]> {
  return (await followedTopics[topic].load(person)).state()
}
