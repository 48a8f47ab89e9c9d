// What the server sends over one connection of one topic. It must begin with a `sync` from where the device stands, and whatever follows
// must begin right behind it: each change once, in order, nothing left out (GATE-2).
import type { WireChange } from '@lockstep/protocol/change'
import type { Cursor } from '@lockstep/protocol/cursor'
import type { Sync } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'
import { demand } from './demand.ts'

type Frame = { event: 'sync'; payload: Sync } | { event: 'change'; payload: WireChange }

export class ReceivedStream {
  readonly topic: Topic
  /** Where the device said that it stands. */
  readonly since: Cursor | undefined
  readonly frames: Frame[] = []

  constructor(topic: Topic, since: Cursor | undefined) {
    this.topic = topic
    this.since = since
  }

  get changes(): WireChange[] {
    return this.frames.flatMap(({ event, payload }) =>
      event === 'sync' ? payload.changes : [payload],
    )
  }

  /** The device has been told of everything up to this `seq`. */
  get lastSeq(): number | undefined {
    const last = this.frames.at(-1)
    return last?.event === 'sync' ? last.payload.to : last?.payload.seq
  }

  /** How often the server had to catch the device up though it was connected. */
  get catchUps(): number {
    return this.frames.slice(1).filter(({ event }) => event === 'sync').length
  }

  /** Throws unless nothing was left out. */
  check(): void {
    let at = this.since
    for (const [index, { event, payload }] of this.frames.entries()) {
      const what = `frame ${index} of a connection to ${this.topic}`
      demand.checkDeviceState(event === 'sync' || index > 0, true, `${what} comes behind a sync`)
      const { epoch } = payload
      const from = event === 'sync' ? payload.from : payload.seq - 1
      if (at) demand.checkDeviceState({ epoch, seq: from }, at, `where ${what} begins (${this.#summary()})`)
      const { reset, to, changes } =
        event === 'sync' ? payload : { reset: false, to: payload.seq, changes: [payload] }
      demand.checkDeviceState(reset, false, `${what} starts anew`)
      const seqs = changes.map(({ seq }) => seq)
      demand.checkDeviceState(seqs, demand.upTo(to, from), `what is in ${what}`)
      at = { epoch, seq: to }
    }
  }

  #summary(): string {
    const frames = this.frames.map(({ event, payload }) =>
      event === 'sync' ? `sync ${payload.from}-${payload.to}` : `change ${payload.seq}`,
    )
    return [`since ${this.since?.seq ?? 'never'}`, ...frames].join(', ')
  }
}
