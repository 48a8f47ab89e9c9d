// A server in memory, built from the protocol's own decisions and reducers. Devices must agree with
// it. Pages and syncs are small, so that a few changes need several of them.
import type { Run } from '@lockstep/protocol/agents'
import type { AnyDecision, WireChange } from '@lockstep/protocol/change'
import type { Cursor } from '@lockstep/protocol/cursor'
import type { Conversation, ConversationCommands, Summary } from '@lockstep/protocol/conversations'
import {
  decideConversations,
  existing,
  live,
  summaryOf,
} from '@lockstep/protocol/decide/conversations'
import { decidePreferences } from '@lockstep/protocol/decide/preferences'
import { errors } from '@lockstep/protocol/error-codes'
import { Fault, toProblem } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { PreferencesCommands } from '@lockstep/protocol/preferences'
import {
  isConversation,
  reduceConversation,
  type HeldConversation,
} from '@lockstep/protocol/reduce/conversation'
import { noPreferences, reducePreferences } from '@lockstep/protocol/reduce/preferences'
import { isRecord, reduceRecord, type HeldRecord } from '@lockstep/protocol/reduce/record'
import type { Ack, RangeAnswer, RangeRequest, Sync } from '@lockstep/protocol/sync'
import { topics, type Topic } from '@lockstep/protocol/topics'

const user = { id: newId(), username: 'ada', created_at: '2030-01-01T00:00:00.000Z' }
const PIECE = 4
const PAGE = 3

interface Log {
  changes: WireChange[]
  /** Cursors below this `seq` are too old. */
  oldest: number
}

/** Receives the events of a connected device. */
export type Listener = (
  event: 'change' | 'head' | 'delta' | 'presence' | 'draining',
  payload: unknown,
) => void

export class FakeServer {
  epoch = 'e1'
  readonly conversations = new Map<string, HeldConversation>()
  preferences = noPreferences
  readonly records = new Map<string, HeldRecord>()
  readonly runs: Run[] = []
  readonly sessions = new Map<string, { id: string; device: string; created_at: string }>()
  /** The ack of every acked command, by `mutation_id`. */
  readonly acked = new Map<string, Ack>()
  /** The next command fails with this fault instead of being executed. */
  refuseNext: Fault | undefined
  signedInAs: { id: string; username: string; created_at: string } = user
  requests: string[] = []
  readonly #logs: Record<Topic, Log>
  readonly #rooms = new Map<Topic, Set<Listener>>(topics.map((topic) => [topic, new Set()]))
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
    this.#logs = {
      conversations: empty(),
      preferences: empty(),
      agents: empty(),
      account: empty(),
      records: empty(),
    }
  }

  signIn(session_id: string): void {
    this.sessions.set(session_id, { id: session_id, device: 'test', created_at: this.#at() })
    this.append('account', {
      op: 'session_created',
      entity_id: session_id,
      version: 1,
      data: { session: this.sessions.get(session_id)! },
    })
  }

  head(topic: Topic): Cursor {
    return { epoch: this.epoch, seq: this.#logs[topic].changes.length }
  }

  // ── Sockets ──

  /** Returns the changes after the cursor. The listener receives later events. */
  join(topic: Topic, since: Cursor | undefined, listener: Listener): Sync[] {
    this.#rooms.get(topic)!.add(listener)
    const { epoch, seq: head } = this.head(topic)
    const nothing = { epoch, from: head, to: head, changes: [], more: false, reset: false }
    if (!since || (since.epoch === epoch && since.seq === head)) return [nothing]
    if (since.epoch !== epoch || since.seq > head || since.seq < this.#logs[topic].oldest)
      return [{ ...nothing, reset: true }]
    const pieces: Sync[] = []
    for (let from = since.seq; from < head; from += PIECE) {
      const changes = this.#logs[topic].changes.slice(from, from + PIECE)
      const to = from + changes.length
      pieces.push({ epoch, from, to, changes, more: to < head, reset: false })
    }
    return pieces
  }

  leave(topic: Topic, listener: Listener): void {
    this.#rooms.get(topic)!.delete(listener)
  }

  beat(): void {
    for (const topic of topics) this.emit(topic, 'head', this.head(topic))
  }

  emit(topic: Topic, event: Parameters<Listener>[0], payload: unknown): void {
    for (const listener of this.#rooms.get(topic)!) listener(event, payload)
  }

  range(topic: Topic, { from, to }: RangeRequest): RangeAnswer {
    const { changes, oldest } = this.#logs[topic]
    if (from <= oldest) return { changes: [], more: false, reset: true }
    const found = changes.slice(from - 1, Math.min(to, from - 1 + PIECE))
    return { changes: found, more: from - 1 + found.length < changes.length, reset: false }
  }

  /** Executes a command, as the gateway does. */
  command(topic: Topic, name: string, payload: Record<string, unknown>): Ack {
    const { mutation_id, ...command } = payload as { mutation_id: string }
    try {
      if (name === 'viewing') return { ok: true, data: null }
      const first = this.acked.get(mutation_id)
      if (first) return first
      const refusal = this.refuseNext
      this.refuseNext = undefined
      if (refusal) throw refusal
      const ack = this.#execute(topic, name, command, mutation_id)
      this.acked.set(mutation_id, ack)
      return ack
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      return { ok: false, error: toProblem(error) }
    }
  }

  #execute(topic: Topic, name: string, command: object, mutation_id: string): Ack {
    const context = { user_id: user.id, at: this.#at(), newId: () => newId() }
    if (topic === 'preferences') {
      const decision = decidePreferences(
        this.preferences,
        command as PreferencesCommands['update'],
        context,
      )
      if (decision) this.append(topic, decision, mutation_id)
      return {
        ok: true,
        data: this.preferences,
        seq: this.head(topic).seq,
        version: this.preferences.version,
      }
    }
    if (topic === 'account') {
      const { session_id } = command as { session_id: string }
      this.sessions.delete(session_id)
      const data = { session_id }
      this.append(
        topic,
        { op: 'session_revoked', entity_id: session_id, version: 2, data },
        mutation_id,
      )
      return { ok: true, data: null, seq: this.head(topic).seq, version: 2 }
    }
    const { id, conversation_id = id! } = command as { id?: string; conversation_id?: string }
    const decide = decideConversations[name as 'update']
    try {
      const update = command as ConversationCommands['update']
      const decision = decide(this.conversations.get(conversation_id), update, context)
      if (decision) this.append(topic, decision, mutation_id)
      if (name === 'purge') this.#strip(conversation_id)
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'version_conflict') throw error
      throw new Fault('version_conflict', { current: this.conversations.get(conversation_id) })
    }
    const held = this.conversations.get(conversation_id)
    return { ok: true, data: null, seq: this.head(topic).seq, version: held?.version ?? 1 }
  }

  /** Appends a change that the server makes by itself. */
  append(
    topic: Topic,
    { op, entity_id, version, data }: AnyDecision,
    mutation_id?: string,
  ): WireChange {
    const seq = this.head(topic).seq + 1
    const actor = { session_id: null, device: 'test' }
    // Copies through JSON, as a wire does: devices must not share objects with the server or each
    // other.
    const change = JSON.parse(
      JSON.stringify({
        topic,
        epoch: this.epoch,
        seq,
        at: this.#at(),
        op,
        entity_id,
        version,
        actor,
        mutation_id,
        data,
      }),
    ) as WireChange
    this.#logs[topic].changes.push(change)
    if (topic === 'conversations')
      this.conversations.set(
        entity_id,
        reduceConversation(this.conversations.get(entity_id), change),
      )
    if (topic === 'preferences') this.preferences = reducePreferences(this.preferences, change)
    if (topic === 'records')
      this.records.set(entity_id, reduceRecord(this.records.get(entity_id), change))
    this.emit(topic, 'change', change)
    return change
  }

  // ── Faults ──

  /** Restarts the logs, as a restore does: earlier cursors mean nothing any more. */
  newEpoch(): void {
    this.epoch = newId()
    for (const log of Object.values(this.#logs))
      log.changes = log.changes.map((change) => ({ ...change, epoch: this.epoch }))
  }

  /**
   * Strips all entries of this topic. With `resets`, devices with an older cursor must load again.
   */
  expire(topic: Topic, resets: boolean): void {
    const log = this.#logs[topic]
    log.changes = log.changes.map(stripped)
    if (resets) log.oldest = log.changes.length
  }

  #strip(entity_id: string): void {
    const log = this.#logs.conversations
    const last = log.changes.length - 1
    log.changes = log.changes.map((change, at) =>
      change.entity_id === entity_id && at < last ? stripped(change) : change,
    )
  }

  // ── REST ──

  /** Throws Fault. */
  get(path: string, query: URLSearchParams, session_id: string): unknown {
    this.requests.push(`${path}?${query}`)
    const session = this.sessions.get(session_id)
    if (!session) throw new Fault('unauthenticated')
    if (path === '/users/me') return { user: this.signedInAs, session, ...this.head('account') }
    if (path === '/users/me/preferences')
      return { ...this.preferences, ...this.head('preferences') }
    if (path === '/users/me/sessions')
      return { items: this.#listedSessions(session_id), ...this.head('account') }
    if (path === '/agents') return { items: [] }
    if (path === '/agent-runs') return this.#runsPage(query)
    if (path === '/conversations') return this.#page(query)
    const [, id] = /^\/conversations\/([^/]+)$/.exec(path) ?? []
    if (id) return this.#window(id, query)
    const [, kind, record] = /^\/records\/([^/]+)(?:\/(.+))?$/.exec(path) ?? []
    if (kind) return this.#records(kind, record)
    throw new Fault('not_found')
  }

  #records(kind: string, id?: string) {
    const items = [...this.records.values()].filter(isRecord).filter((one) => one.kind === kind)
    if (id === undefined) return { items, next_cursor: null, ...this.head('records') }
    const found = items.find((one) => one.id === id)
    if (!found) throw new Fault('not_found')
    return found
  }

  summaries(state: string): Summary[] {
    const all = [...this.conversations.values()]
      .filter(isConversation)
      .filter((one) => stateOf(one) === state)
    return all.map(summaryOf).sort(byTime)
  }

  /** The cursors of these pages are positions. */
  #runsPage(query: URLSearchParams) {
    const matching = this.runs
      .filter((run) =>
        ['agent', 'status'].every((field) =>
          [null, run[field as 'agent']].includes(query.get(field)),
        ),
      )
      .sort((a, b) => (a.started_at < b.started_at ? 1 : -1))
    const [from, limit] = [Number(query.get('cursor') ?? 0), Number(query.get('limit'))]
    const next_cursor = from + limit < matching.length ? String(from + limit) : null
    return { items: matching.slice(from, from + limit), next_cursor, ...this.head('agents') }
  }

  #listedSessions(current: string) {
    return Array.from(this.sessions.values(), (session) => ({
      ...session,
      last_seen_at: session.created_at,
      current: session.id === current,
      online: true,
    }))
  }

  #page(query: URLSearchParams) {
    const after = query.get('cursor')
    const [time, id] = after?.split('|') ?? []
    const rest = this.summaries(query.get('state') ?? 'active').filter(
      (one) => !after || one.updated_at < time! || (one.updated_at === time && one.id < id!),
    )
    const items = rest.slice(0, PAGE)
    const last = items.at(-1)
    const next_cursor = rest.length > PAGE ? `${last!.updated_at}|${last!.id}` : null
    return { items, next_cursor, ...this.head('conversations') }
  }

  #window(id: string, query: URLSearchParams) {
    const held = existing(this.conversations.get(id))
    if (query.get('state') === 'trash' ? held.deleted_at === null : held !== live(held))
      throw new Fault('not_found')
    const before = Number(query.get('before') ?? Infinity)
    const limit = Math.min(Number(query.get('limit') ?? PAGE), PAGE)
    const messages = held.messages.filter(({ position }) => position < before).slice(-limit)
    return {
      ...held,
      messages,
      // Deleted messages leave no page of their own.
      has_more: messages.length > 0 && messages[0] !== held.messages[0],
      ...this.head('conversations'),
    }
  }

  #at = () => new Date(this.#now()).toISOString()
}

const empty = (): Log => ({ changes: [], oldest: 0 })

function stripped({ data: _data, ...change }: WireChange): WireChange {
  return change.op === 'purged' ? { ...change, data: {} } : { ...change, stripped: true }
}

const stateOf = ({ deleted_at, archived }: Conversation) =>
  deleted_at !== null ? 'trash' : archived ? 'archived' : 'active'

const byTime = (a: Summary, b: Summary) =>
  a.updated_at === b.updated_at ? (a.id < b.id ? 1 : -1) : a.updated_at < b.updated_at ? 1 : -1

export const statusOf = (fault: Fault): number => errors[fault.code].status
