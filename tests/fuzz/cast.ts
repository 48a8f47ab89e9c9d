// The people of a history and their devices: engines of the real client over bad lines.
import type { Manager, Socket } from 'socket.io-client'
import { createEngine, type Engine } from '../../ui/src/lib/sync/engine.ts'
import type { Clock } from '../../ui/src/lib/sync/ports.ts'
import { connectBySocketIo } from '../../ui/src/lib/sync/socket-io.ts'
import type { Sent } from '../../ui/src/lib/sync/views.ts'
import { signUp, type Person } from '../harness/person.ts'
import { BadLine } from './bad-line.ts'

/** The engine's waits are made for people; here they pass 30 times as fast. */
const HASTE = 30
const clock: Clock = {
  setTimeout: (callback, ms) => setTimeout(callback, ms / HASTE),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
}

/** A command as the device's user gave it. */
export interface Given {
  command: string
  /** The conversation, or the message that it appends. */
  id: string
  conversation: string
  sent: Sent
}

export class Handset {
  readonly person: Person
  readonly line = new BadLine()
  readonly engine: Engine
  readonly given: Given[] = []
  readonly #managers = new Set<Manager>()

  constructor(person: Person, origin: string) {
    this.person = person
    const headers = { cookie: person.cookie }
    const connect = connectBySocketIo(origin, headers)
    this.engine = createEngine({
      origin,
      headers: () => headers,
      fetch: this.line.fetch,
      connect: this.line.over((namespace, auth) => {
        const socket = connect(namespace, auth)
        this.#managers.add((socket as Socket).io)
        return socket
      }),
      topics: ['conversations', 'preferences'],
      clock,
    })
  }

  /** Stops reading what comes, as a device whose radio sleeps, or goes on. */
  set slow(slow: boolean) {
    for (const { engine } of this.#managers) {
      const { transport } = (engine ?? {}) as {
        transport?: { ws?: { pause(): void; resume(): void; readyState: number } }
      }
      if (transport?.ws?.readyState === 1) transport.ws[slow ? 'pause' : 'resume']()
    }
  }
}

/** Two people, each with a device at each node. */
export async function cast(urls: readonly string[]): Promise<Handset[]> {
  const steady = urls[0]!
  const people = await Promise.all([signUp({ url: steady }, 'ann'), signUp({ url: steady }, 'ben')])
  const handsets = people.flatMap((person) => urls.map((url) => new Handset(person, url)))
  await Promise.all(handsets.map(({ engine }) => engine.start()))
  return handsets
}
