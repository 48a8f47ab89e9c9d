// A log in memory. The test decides when a read happens, so that what a device sees depends only on
// the order of the test's steps.
import type { WireChange } from '@lockstep/protocol/change'
import type { Log, LogRange } from '../../realtime/log/log.ts'

export const EPOCH = 'epoch-1'

export const changeOf = (seq: number, also: Partial<WireChange> = {}): WireChange => ({
  topic: 'conversations',
  epoch: EPOCH,
  seq,
  at: new Date(1_700_000_000_000 + seq).toISOString(),
  op: 'deleted',
  entity_id: '00000000-0000-7000-8000-000000000001',
  version: seq,
  actor: { session_id: null, device: 'test' },
  data: { deleted_at: new Date(1_700_000_000_000 + seq).toISOString() },
  ...also,
})

/** The logs of all users and topics. Each log starts empty. */
export class ScriptedLog implements Pick<Log, 'heads' | 'projectedHeads' | 'range'> {
  readonly #changes = new Map<string, WireChange[]>()
  /** The most changes that one call of `range` returns. */
  rangeLimit = 500
  epoch = EPOCH
  /** Entries up to this `seq` are older than retention. */
  expiredSeq = 0
  /** Every read waits for this promise first. */
  beforeRead: () => Promise<void> = () => Promise.resolve()
  /** How often `range` was called. */
  reads = 0

  changesOf(user_id: string, topic = 'conversations'): WireChange[] {
    const key = `${user_id}:${topic}`
    let changes = this.#changes.get(key)
    if (!changes) this.#changes.set(key, (changes = []))
    return changes
  }

  append(user_id: string, also: Partial<WireChange> = {}): WireChange {
    const changes = this.changesOf(user_id, also.topic)
    const change = changeOf(changes.length + 1, { epoch: this.epoch, ...also })
    changes.push(change)
    return change
  }

  async heads(keys: readonly string[]) {
    await this.beforeRead()
    return new Map(
      keys.map((key) => {
        const [user_id = '', topic] = key.split(':')
        return [key, { epoch: this.epoch, seq: this.changesOf(user_id, topic).length }] as const
      }),
    )
  }

  projectedHeads(keys: readonly string[]) {
    return this.heads(keys)
  }

  async range(user_id: string, topic: string, after: number, upTo = Infinity): Promise<LogRange> {
    this.reads++
    await this.beforeRead()
    const all = this.changesOf(user_id, topic)
    const head = all.length
    const none = { epoch: this.epoch, head, to: head, changes: [], more: false }
    if (after > head || (after < this.expiredSeq && after < head)) return { ...none, reset: true }
    const end = Math.min(head, upTo)
    const changes = all.slice(after, Math.min(end, after + this.rangeLimit))
    const to = changes.at(-1)?.seq ?? head
    return { epoch: this.epoch, head, to, changes, more: to < end, reset: false }
  }
}
