// The devices of a history: engines of the real client, each with an unreliable line to its node.
import { setTimeout as pause } from 'node:timers/promises'
import type { Manager, Socket } from 'socket.io-client'
import type { WireChange } from '@lockstep/protocol/change'
import { isConversation, type HeldConversation } from '@lockstep/protocol/reduce/conversation'
import { isRun, type HeldRun } from '@lockstep/protocol/reduce/run'
import type { ProducedPiece } from '@lockstep/protocol/produce'
import type { Topic } from '@lockstep/protocol/topics'
import {
  connectBySocketIo,
  createEngine,
  isOver,
  type Clock,
  type Engine,
  type IssuedCommand,
} from '@lockstep/client'
import { createProducer, type Produce } from '@lockstep/client/produce'
import { signUp, type Person } from '../harness/person.ts'
import { UnreliableLine } from './unreliable-line.ts'
import type { HeldOf } from './folded-log.ts'

/** The engine's delays are made for people; here they pass 30 times as fast. */
const SPEED_UP = 30
const clock: Clock = {
  setTimeout: (callback, ms) => setTimeout(callback, ms / SPEED_UP),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
  elapsed: () => performance.now() * SPEED_UP,
}

/** A command that the device's user issued. */
export interface TrackedCommand {
  topic: Topic
  command: string
  /** The entity that it is about, as a `Ledger` calls it. */
  key: string
  sent: IssuedCommand
  /**
   * Whether a state shows the command's effect. The state at the acked `seq` must, also if the
   * command made no change (`changed`).
   */
  shows(held: unknown, changed: boolean): boolean
}

export class FuzzDevice {
  readonly person: Person
  readonly line = new UnreliableLine()
  readonly engine: Engine
  readonly issued: TrackedCommand[] = []
  /** The `seq` values that the engine applied, in order, by topic. */
  readonly applied = new Map<Topic, number[]>()
  readonly topics: readonly Topic[]
  readonly #managers = new Set<Manager>()
  readonly #stopped = new Set<string>()
  readonly #produce: Produce
  readonly #later: Promise<unknown>[] = []
  readonly #giveUp = new AbortController()

  /** @param topics the topics to follow besides `account`, which every device follows */
  constructor(person: Person, origin: string, topics: readonly Topic[]) {
    this.person = person
    this.topics = [...topics, 'account']
    const headers = () => ({ cookie: person.cookie })
    this.#produce = createProducer({ origin, headers })
    const connect = connectBySocketIo(origin, { headers })
    this.engine = createEngine({
      origin,
      headers,
      fetch: this.line.fetch,
      connect: this.line.connectThrough((namespace, auth) => {
        const socket = connect(namespace, auth)
        this.#managers.add((socket as Socket).io)
        return socket
      }),
      topics,
      records: ['note'],
      clock,
    })
  }

  async start(): Promise<void> {
    await this.engine.start()
    for (const topic of this.topics) this.applied.set(topic, recordApplied(this.engine[topic]))
  }

  issue<T extends Topic>(
    topic: T,
    command: string,
    key: string,
    sent: IssuedCommand,
    shows: (held: HeldOf[T], changed: boolean) => boolean,
  ): void {
    this.issued.push({ topic, command, key, sent, shows: shows as TrackedCommand['shows'] })
  }

  /**
   * Stops a reply, once. If another node produces it, the stop is a change that asks for the end,
   * and the end is a later change.
   */
  stop(id: string, message_id: string): void {
    if (this.#stopped.has(message_id)) return
    this.#stopped.add(message_id)
    const hasEnded = (held: HeldConversation) =>
      isConversation(held) &&
      held.messages.some(({ id, status }) => id === message_id && status !== 'streaming')
    const sent = this.engine.conversations.stop(id, message_id)
    this.issue('conversations', 'stop', id, sent, (held, changed) => changed || hasEnded(held))
  }

  /** A program of the user writes a reply over HTTP, beside the device's line. */
  produce(id: string, text: string): void {
    async function* pieces(): AsyncGenerator<ProducedPiece> {
      yield { thinking: `thinking of ${text}` }
      for (const word of ['It', ' is ', text || 'empty']) {
        await pause(5)
        yield { text: word }
      }
      yield { part: { id: 'data', type: 'data-fuzz', value: text } }
      yield { text: '.' }
    }
    const { signal } = this.#giveUp
    // The conversation may be gone, or the node that it writes to: the log then has what came.
    this.#afterCommands(id, () => this.#produce(id, pieces(), { signal }).catch(() => undefined))
  }

  /** Takes a conversation back by some changes of the log. */
  rewind(id: string, back: number): void {
    this.#afterCommands(id, () => {
      const seq = Math.max(1, (this.engine.conversations.cursor?.seq ?? 0) - back)
      const sent = this.engine.conversations.rewind(id, seq)
      // what it was then, the log knows: its documents are compared in the end
      this.issue('conversations', 'rewind', id, sent, (held) => held !== undefined)
    })
  }

  /** Does something that needs what the device has sent of a conversation. */
  #afterCommands(id: string, act: () => unknown): void {
    const sent = this.issued.filter(({ key }) => key === id).map(({ sent }) => sent.outcome)
    this.#later.push(
      Promise.all(sent).then(() => (this.#giveUp.signal.aborted ? undefined : act())),
    )
  }

  /** Waits for all that comes later, and gives up what a node doesn't answer. */
  async endPrograms(): Promise<void> {
    const ended = Promise.all(this.#later)
    await Promise.race([ended, pause(2_000, undefined, { ref: false })])
    this.#giveUp.abort()
  }

  /** Stops a run, once. */
  stopRun(id: string): void {
    if (this.#stopped.has(id)) return
    this.#stopped.add(id)
    const hasEnded = (held: HeldRun) => !isRun(held) || isOver(held.status)
    this.issue(
      'agents',
      'stop',
      id,
      this.engine.agents.stop(id),
      (held, changed) => changed || hasEnded(held),
    )
  }

  /** Stops reading from the connection, as a device whose radio sleeps, or continues. */
  set readingPaused(slow: boolean) {
    for (const { engine } of this.#managers) {
      const { transport } = (engine ?? {}) as {
        transport?: { ws?: { pause(): void; resume(): void; readyState: number } }
      }
      if (transport?.ws?.readyState === 1) transport.ws[slow ? 'pause' : 'resume']()
    }
  }

  /**
   * Repairs the line. The device compares heads only if the line itself dropped a frame, because a
   * loss by the server must show as a failure.
   */
  recover(): void {
    const { line } = this
    const isSuspicious = line.hasDroppedFrame || !line.up
    line.heal()
    this.readingPaused = false
    if (isSuspicious) this.engine.nudge()
  }
}

/**
 * The `seq` of each change that the engine applies from now on. The views don't show this, because
 * loading the entity makes up for a change that was left out.
 */
function recordApplied(client: object): number[] {
  const { entities } = (client as { topic: { entities: { follow(change: WireChange): void } } })
    .topic
  const applied: number[] = []
  const follow = entities.follow.bind(entities)
  entities.follow = (change) => {
    applied.push(change.seq)
    follow(change)
  }
  return applied
}

/** Starts a device of Ann at each node, and a device of Ben at the last node. */
export async function startDevices(
  urls: readonly string[],
  topics: readonly Topic[],
): Promise<FuzzDevice[]> {
  const [ann, ben] = await Promise.all(
    ['ann', 'ben'].map((name) => signUp({ url: urls[0]! }, name)),
  )
  const devices = urls.map((url) => new FuzzDevice(ann!, url, topics))
  devices.push(new FuzzDevice(ben!, urls.at(-1)!, topics))
  await Promise.all(devices.map((device) => device.start()))
  return devices
}
