// The reference server's data: one user's logs, and the states that the protocol's own reducers
// make of them. Every device must agree with these states.
import type { AnyDecision, WireChange } from '@lockstep/protocol/change'
import type { Conversation, ConversationCommands } from '@lockstep/protocol/conversations'
import type { Cursor } from '@lockstep/protocol/cursor'
import { decideConversations, existing, live } from '@lockstep/protocol/decide/conversations'
import { decidePreferences } from '@lockstep/protocol/decide/preferences'
import {
  decideRecordDelete,
  decideRecordPatch,
  decideRecordPut,
} from '@lockstep/protocol/decide/records'
import { Fault, toProblem } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { PreferencesCommands } from '@lockstep/protocol/preferences'
import type { RecordCommands, StoredRecord } from '@lockstep/protocol/records'
import {
  isConversation,
  reduceConversation,
  type HeldConversation,
} from '@lockstep/protocol/reduce/conversation'
import { noPreferences, reducePreferences } from '@lockstep/protocol/reduce/preferences'
import { isRecord, reduceRecord, type HeldRecord } from '@lockstep/protocol/reduce/record'
import type { Ack, RangeAnswer, Sync } from '@lockstep/protocol/sync'
import { topics, type Topic } from '@lockstep/protocol/topics'

/** Changes of one `sync` and of one `range`: few, so that devices need several of them. */
const PIECE = 4

export class ReferenceLogs {
  readonly user = { id: newId(), username: 'ada', created_at: new Date().toISOString() }
  epoch = 'first'
  readonly conversations = new Map<string, HeldConversation>()
  preferences = noPreferences
  readonly #records = new Map<string, HeldRecord>()
  /** False: the states change, and no log or device ever has the changes. */
  isTold = true
  /** The `mutation_id` of every command that arrived, in order. */
  readonly received: string[] = []
  /** The next commands fail with these instead of being executed. */
  readonly refusals: Fault[] = []
  readonly #acks = new Map<string, Ack>()
  readonly #changes = new Map<Topic, WireChange[]>(topics.map((topic) => [topic, []]))
  readonly #appended: (change: WireChange) => void

  /** @param appended is told of each change */
  constructor(appended: (change: WireChange) => void) {
    this.#appended = appended
  }

  head(topic: Topic): Cursor {
    return { epoch: this.epoch, seq: this.#log(topic).length }
  }

  conversation(id: string): Conversation | undefined {
    const held = this.conversations.get(id)
    return isConversation(held) ? held : undefined
  }

  record(id: string): HeldRecord {
    return this.#records.get(id)
  }

  /** All live ones of a kind, by id. */
  records(kind: string): StoredRecord[] {
    return [...this.#records.values()].filter(isRecord).filter((one) => one.kind === kind)
  }

  /** What a device with this cursor lacks, in pieces. */
  syncs(topic: Topic, since: Cursor | undefined): Sync[] {
    const { epoch, seq: head } = this.head(topic)
    const nothing: Sync = { epoch, from: head, to: head, changes: [], more: false, reset: false }
    if (!since || (since.epoch === epoch && since.seq === head)) return [nothing]
    if (since.epoch !== epoch || since.seq > head) return [{ ...nothing, reset: true }]
    const pieces: Sync[] = []
    for (let from = since.seq; from < head; from += PIECE) {
      const changes = this.#log(topic).slice(from, from + PIECE)
      const to = from + changes.length
      pieces.push({ epoch, from, to, changes, more: to < head, reset: false })
    }
    return pieces
  }

  range(topic: Topic, from: number, to: number): RangeAnswer {
    const found = this.#log(topic).slice(from - 1, Math.min(to, from - 1 + PIECE))
    const more = from - 1 + found.length < this.#log(topic).length
    return { changes: found, more, reset: false }
  }

  /** Executes a command once, however often it arrives. */
  command(topic: Topic, name: string, payload: Record<string, unknown>): Ack {
    const { mutation_id, ...fields } = payload as { mutation_id: string }
    if (name === 'viewing') return { ok: true, data: null }
    this.received.push(mutation_id)
    try {
      const known = this.#acks.get(mutation_id)
      if (known) return known
      const refusal = this.refusals.shift()
      if (refusal) throw refusal
      const ack = this.execute(topic, name, fields, mutation_id)
      this.#acks.set(mutation_id, ack)
      return ack
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      return { ok: false, error: toProblem(error) }
    }
  }

  /** Executes a command of this user's other device, or of the device that names it. */
  execute(topic: Topic, name: string, fields: object, mutation_id?: string): Ack {
    const context = { user_id: this.user.id, at: now(), newId: () => newId() }
    let version: number
    if (topic === 'preferences') {
      const update = fields as PreferencesCommands['update']
      const decision = decidePreferences(this.preferences, update, context)
      if (decision) this.append(topic, decision, mutation_id)
      version = this.preferences.version
    } else if (topic === 'records') {
      const { id } = fields as RecordCommands['delete']
      const decide = decideRecords[name as 'patch']
      const decision = decide(this.record(id), fields as RecordCommands['patch'])
      if (decision) this.append(topic, decision, mutation_id)
      version = this.record(id)!.version
    } else {
      const { id, conversation_id = id! } = fields as { id?: string; conversation_id?: string }
      // the names are those of the table, and each payload is its command's
      const decide = decideConversations[name as 'update']
      const held = this.conversations.get(conversation_id)
      const decision = decide(held, fields as ConversationCommands['update'], context)
      if (decision) this.append(topic, decision, mutation_id)
      version = this.conversations.get(conversation_id)?.version ?? 1
    }
    return { ok: true, data: null, seq: this.head(topic).seq, version }
  }

  append(topic: Topic, decision: AnyDecision, mutation_id?: string): WireChange {
    const { op, entity_id, version, data } = decision
    const change = JSON.parse(
      JSON.stringify({
        topic,
        epoch: this.epoch,
        seq: this.head(topic).seq + 1,
        at: now(),
        op,
        entity_id,
        version,
        actor: { session_id: null, device: 'reference' },
        mutation_id,
        data,
      }),
    ) as WireChange
    if (topic === 'conversations') {
      const held = this.conversations.get(entity_id)
      this.conversations.set(entity_id, reduceConversation(held, change))
    } else if (topic === 'preferences')
      this.preferences = reducePreferences(this.preferences, change)
    else if (topic === 'records')
      this.#records.set(entity_id, reduceRecord(this.record(entity_id), change))
    if (this.isTold) {
      this.#log(topic).push(change)
      this.#appended(change)
    }
    return change
  }

  /** Restarts the logs, as a restore from a backup does. */
  restart(): void {
    this.epoch = newId()
    for (const [topic, log] of this.#changes)
      this.#changes.set(
        topic,
        log.map((change) => ({ ...change, epoch: this.epoch })),
      )
  }

  /** A window of a conversation's messages, as GET has it. Throws Fault. */
  window(id: string, query: URLSearchParams): object {
    const held = existing(this.conversations.get(id))
    if (query.get('state') !== 'trash') live(held)
    else if (held.deleted_at === null) throw new Fault('not_found')
    const before = Number(query.get('before') ?? Infinity)
    const limit = Number(query.get('limit') ?? 100)
    const messages = held.messages.filter(({ position }) => position < before).slice(-limit)
    const first = messages[0]?.position ?? 0
    const has_more = held.messages.some(({ position }) => position < first)
    return { ...held, messages, has_more, ...this.head('conversations') }
  }

  /** All conversations of a list are one page. */
  list(state: string): Conversation[] {
    return [...this.conversations.values()]
      .filter(isConversation)
      .filter((one) => listOf(one) === state)
      .sort((a, b) => (a.updated_at < b.updated_at ? 1 : -1))
  }

  #log(topic: Topic): WireChange[] {
    return this.#changes.get(topic)!
  }
}

const decideRecords = {
  put: decideRecordPut,
  patch: decideRecordPatch,
  delete: decideRecordDelete,
}

const now = (): string => new Date().toISOString()

const listOf = ({ deleted_at, archived }: Conversation): string =>
  deleted_at !== null ? 'trash' : archived ? 'archived' : 'active'
