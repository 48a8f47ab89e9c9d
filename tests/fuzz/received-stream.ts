// What the server sends over one connection in one namespace. It must begin with a `sync` from the
// device's cursor. Each later frame must begin where the one before it ended: every change comes
// once, in order (GATE-2).
import type { WireChange } from '@lockstep/protocol/change'
import type { Cursor } from '@lockstep/protocol/cursor'
import type { Sync } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'
import { assertEqual, seqsBetween } from './compare.ts'

type Frame = { event: 'sync'; payload: Sync } | { event: 'change'; payload: WireChange }

export class ReceivedStream {
  readonly topic: Topic
  /** The cursor of the handshake. */
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

  /** The device was sent everything up to this `seq`. */
  get lastSeq(): number | undefined {
    const last = this.frames.at(-1)
    return last?.event === 'sync' ? last.payload.to : last?.payload.seq
  }

  /** How often the server caught the device up after the first `sync`. */
  get catchUps(): number {
    return this.frames.slice(1).filter(({ event }) => event === 'sync').length
  }

  /** Throws if a change is missing, repeated or out of order. */
  check(): void {
    let at = this.since
    for (const [index, { event, payload }] of this.frames.entries()) {
      const what = `frame ${index} of a connection to ${this.topic}`
      assertEqual(event === 'sync' || index > 0, true, `${what} comes after a sync`)
      const { epoch } = payload
      const from = event === 'sync' ? payload.from : payload.seq - 1
      if (at) assertEqual({ epoch, seq: from }, at, `the start of ${what} (${this.#summary()})`)
      const { reset, to, changes } =
        event === 'sync' ? payload : { reset: false, to: payload.seq, changes: [payload] }
      assertEqual(reset, false, `${what} resets the topic`)
      const seqs = changes.map(({ seq }) => seq)
      assertEqual(seqs, seqsBetween(from, to), `the changes in ${what}`)
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
