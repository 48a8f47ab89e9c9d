// The contract's model client: a device that follows the client's rule of contract.md and nothing else, by the reducers of protocol/.
// Tests take it where they ask what any correct client would hold. It never sleeps and never polls.
import type { WireChange } from '@lockstep/protocol/change'
import type { Cursor } from '@lockstep/protocol/cursor'
import type { RangeAnswer, Sync } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'
import { limits } from '@lockstep/protocol/limits'
import type { Device, DeviceOptions } from './device.ts'
import { eventually } from './eventually.ts'
import { followedTopics, type FollowedStateOf, type States } from './holdings.ts'
import type { Person } from './person.ts'

/** A device that keeps itself up to date. It leaves when it goes out of scope. */
export class Follower<T extends Topic> implements AsyncDisposable {
  readonly person: Person
  readonly topic: T
  /** Every `seq` that it has applied, in order. */
  readonly applied: number[] = []
  /** How often it has loaded everything over HTTP, asked for a range, and loaded one entity. */
  readonly requests = { loads: 0, ranges: 0, entities: 0 }
  device!: Device
  cursor!: Cursor
  #held!: FollowedStateOf<T>
  #work: Promise<void> = Promise.resolve()
  #failure: unknown
  #lost: (event: string) => boolean = () => false

  private constructor(person: Person, topic: T) {
    this.person = person
    this.topic = topic
  }

  /** Loads over HTTP, then joins from where that stands. */
  static async start<T extends Topic>(
    person: Person,
    topic: T,
    options: DeviceOptions = {},
  ): Promise<Follower<T>> {
    const follower = new Follower(person, topic)
    await follower.#load()
    await follower.join(person, options)
    return follower
  }

  /** What it holds now, in a form that two holders of the same have equal. */
  get state(): States[T] {
    return this.#held.state()
  }

  /** Joins again from where it stands, also at another node (`person.at(node)`). */
  async join(person: Person = this.person, options: DeviceOptions = {}): Promise<void> {
    this.device = await person.device(this.topic, {
      since: this.cursor,
      user_id: person.user.id,
      ...options,
    })
    const { device } = this
    // What had come before this line is in the inbox already.
    const seen = device.inbox.received.splice(0)
    device.socket.onAny((event: string, payload: unknown) => this.#take(device, event, payload))
    for (const { event, payload } of seen) {
      device.inbox.put(event, payload)
      this.#take(device, event, payload)
    }
  }

  /** From now on, events of which this is true don't reach it, as if the network had lost them. */
  dropEvents(lost: (event: string) => boolean): void {
    this.#lost = lost
  }

  /** Goes away, as a device that falls asleep. */
  async leave(): Promise<void> {
    this.device.close()
    await this.#work
  }

  /** Resolves when it holds everything up to `seq` (default: what the database holds now). Fails when it broke, or after `ms`. */
  async caughtUp(seq?: number, ms = 15_000): Promise<void> {
    const goal = seq ?? (await followedTopics[this.topic].load(this.person)).cursor.seq
    const reached = async () => {
      await this.#work
      if (this.#failure !== undefined) return true
      return this.cursor.seq >= goal
    }
    await eventually(reached, { within: ms, what: `${this.topic} caught up to ${goal}` }).catch(
      (error: Error) => {
        throw new Error(`${error.message}; stands at ${this.cursor.seq}`, { cause: error })
      },
    )
    if (this.#failure !== undefined) throw this.#failure
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave()
  }

  /** One after the other: what comes during a load waits for its end. */
  #take(device: Device, event: string, payload: unknown): void {
    if (this.#lost(event)) return
    const act = async () => {
      if (this.#failure !== undefined) return
      if (event === 'sync') await this.#sync(payload as Sync)
      else if (event === 'change')
        await this.#changes([payload as WireChange], (payload as WireChange).epoch)
      else if (event === 'head' && (payload as Cursor).seq > this.cursor.seq)
        await this.#fill((payload as Cursor).seq)
    }
    this.#work = this.#work.then(act).catch((error: unknown) => {
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

  /** Asks for what is missing up to `to`. */
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
    if (!this.#held.apply(change)) {
      this.requests.entities++
      await this.#held.loadEntity(this.person, change)
    }
    this.cursor = { ...this.cursor, seq: change.seq }
    this.applied.push(change.seq)
  }

  async #load(): Promise<void> {
    this.requests.loads++
    this.#held = await followedTopics[this.topic].load(this.person)
    this.cursor = this.#held.cursor
  }
}

/** What the database holds, as a device that has just loaded it. */
export async function storedState<T extends Topic>(person: Person, topic: T): Promise<States[T]> {
  return (await followedTopics[topic].load(person)).state()
}
