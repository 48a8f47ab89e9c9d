// What must be true when everybody is quiet again: P1 to P3 of the contract.
import type { Db } from 'mongodb'
import type { Conversation } from '@lockstep/protocol/conversations'
import type { Message } from '@lockstep/protocol/message'
import {
  isOver,
  type ConversationView,
  type ListState,
  type MessageView,
  type RunView,
  type SummaryView,
} from '@lockstep/client/views'
import { eventually } from '../harness/eventually.ts'
import type { IssuedCommand, FuzzDevice } from './cast.ts'
import { demand } from './demand.ts'
import { checkDocuments } from './documents.ts'
import type { FoldedLog } from './ledger.ts'

export interface Expectations {
  ledgers: ReadonlyMap<string, FoldedLog>
  database: Db
  /** Nothing happened to the servers: no device needs to be caught up that is connected. */
  undisturbed: boolean
  /** How long documents may take to follow their log; milliseconds. */
  ms: number
}

/** Checks all of it; throws what differs. */
export async function checkInvariants(handsets: readonly FuzzDevice[], expected: Expectations): Promise<void> {
  const { ledgers, database, undisturbed, ms } = expected
  for (const [user_id, ledger] of ledgers) {
    const own = handsets.filter(({ person }) => person.user.id === user_id)
    ledger.check()
    for (const handset of own) {
      for (const given of handset.issued) await checkAcknowledged(given, ledger)
      checkOrder(handset, undisturbed)
      checkPrivacy(handset, ledger)
    }
    // the others show what they know of these lists
    for (const state of ['archived', 'trash'] as const)
      if (ledger.conversations.some((one) => stateOf(one) === state))
        await own[0]!.engine.conversations.loadMore(state)
    for (const handset of own) equal(handset, ledger)
    const what = 'documents follow the log'
    await eventually(() => checkDocuments(database, user_id, ledger), { within: ms, what })
  }
}

/** P1: what was acked is in the log once, at the acked `seq`, or its effect was there already. */
async function checkAcknowledged({ topic, command, key, sent, shows }: IssuedCommand, ledger: FoldedLog): Promise<void> {
  const outcome = await sent.outcome
  if (!outcome.ok) return
  const entry = ledger.entries.find(
    (entry) => entry.topic === topic && entry.mutation_id === sent.mutation_id,
  )
  if (entry) demand.checkDeviceState(outcome.seq, entry.seq, `the acked seq of ${command}`)
  if (ledger.isStripped(topic, key)) return
  const shown = shows(ledger.at(topic, key, outcome.seq), entry !== undefined)
  demand.checkDeviceState(
    shown,
    true,
    `an acked ${command} ${entry ? 'with' : 'without'} an entry shows at its seq ${outcome.seq}`,
  )
}

/** P1: every change reached the device and was applied, once and in order. */
function checkOrder({ line, applied, engine, topics }: FuzzDevice, undisturbed: boolean): void {
  for (const stream of line.streams) {
    stream.check()
    if (undisturbed)
      demand.checkDeviceState(stream.catchUps, 0, `catch-ups of ${stream.topic} on a connection`)
  }
  for (const topic of topics) {
    const seqs = applied.get(topic)!
    const last = engine[topic].cursor!.seq
    if (seqs.length > 0)
      demand.checkDeviceState(seqs, demand.upTo(last, seqs[0]! - 1), `what was applied of ${topic}`)
  }
}

/** P2: the device shows what the log says, list by list and window by window. */
function equal({ engine, topics }: FuzzDevice, ledger: FoldedLog): void {
  const { conversations: stored } = ledger
  const states: ListState[] = ['active', 'archived', 'trash']
  for (const state of states) {
    const { items, loaded } = engine.conversations.list(state)
    const ids = new Set(items.map(({ id }) => id))
    const all = stored.filter((conversation) => stateOf(conversation) === state)
    const known = loaded ? all : all.filter(({ id }) => ids.has(id))
    demand.checkDeviceState(
      items.map(plainSummary).toSorted(byId),
      known.map(plainSummary).toSorted(byId),
      `the list ${state}`,
    )
  }
  for (const conversation of stored) {
    const view = engine.conversations.get(conversation.id)
    if (view?.windowed)
      demand.checkDeviceState(view.messages.map(plainMessage), conversation.messages, 'the messages held')
  }
  const { value: preferences, version } = engine.preferences
  demand.checkDeviceState({ preferences, version }, ledger.preferences, 'the preferences')
  if (topics.includes('agents'))
    demand.checkDeviceState(
      engine.agents.runs.items.map(plainRun).toSorted(byId),
      ledger.runs.toSorted(byId),
      'the runs',
    )
  const sessions = engine.account.sessions.map(({ id, device, created_at }) => ({
    id,
    device,
    created_at,
  }))
  demand.checkDeviceState(sessions.toSorted(byId), ledger.account.sessions.toSorted(byId), 'the sessions')
}

/** P3: nothing that a device received belongs to anybody else. */
function checkPrivacy({ line, person }: FuzzDevice, ledger: FoldedLog): void {
  const own = new Set(
    ledger.entries.map(({ topic, entity_id, seq }) => `${topic} ${seq} ${entity_id}`),
  )
  for (const { topic, seq, entity_id } of line.streams.flatMap(({ changes }) => changes))
    demand.checkDeviceState(
      own.has(`${topic} ${seq} ${entity_id}`),
      true,
      `${person.user.username} received ${entity_id}`,
    )
}

const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1)

const stateOf = ({ deleted_at, archived }: Conversation): ListState =>
  deleted_at !== null ? 'trash' : archived ? 'archived' : 'active'

function plainSummary(summary: SummaryView | ConversationView | Conversation) {
  const { id, user_id, title, message_count, preview, metadata, pinned, archived } = summary
  const { created_at, updated_at, deleted_at, version } = summary
  return {
    id,
    user_id,
    title,
    message_count,
    preview,
    metadata,
    pinned,
    archived,
    created_at,
    updated_at,
    deleted_at,
    version,
  }
}

function plainMessage({
  delivery: _delivery,
  mutation_id: _mutation,
  ...message
}: MessageView): Message {
  return message
}

function plainRun({ delivery: _delivery, mutation_id: _mutation, ...run }: RunView) {
  return isOver(run.status) ? run : { ...run, status: 'not over' }
}
