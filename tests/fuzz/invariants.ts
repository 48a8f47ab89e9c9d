// What must hold when nothing is in flight any more: promises P1 to P3 of the contract.
import type { Db } from 'mongodb'
import type { ListedSession } from '@lockstep/protocol/account'
import type { Conversation } from '@lockstep/protocol/conversations'
import type { Message } from '@lockstep/protocol/message'
import {
  isOver,
  type ConversationView,
  type ListState,
  type MessageView,
  type RecordView,
  type RunView,
  type SummaryView,
} from '@lockstep/client'
import { eventually } from '../harness/eventually.ts'
import type { FuzzDevice, TrackedCommand } from './fuzz-device.ts'
import { assertEqual, seqsBetween } from './compare.ts'
import { checkDocuments } from './documents.ts'
import type { FoldedLog } from './folded-log.ts'

export interface Expectations {
  logs: ReadonlyMap<string, FoldedLog>
  database: Db
  /** No fault hit the servers, so no connected device needs a catch-up. */
  undisturbed: boolean
  /** How long the documents may take to agree with their log; milliseconds. */
  ms: number
}

/** Checks every promise; throws at the first difference. */
export async function checkInvariants(
  devices: readonly FuzzDevice[],
  expected: Expectations,
): Promise<void> {
  const { logs, database, undisturbed, ms } = expected
  for (const [user_id, log] of logs) {
    const own = devices.filter(({ person }) => person.user.id === user_id)
    log.check()
    for (const device of own) {
      for (const given of device.issued) await checkAcknowledged(given, log)
      checkOrder(device, undisturbed)
      checkPrivacy(device, log)
    }
    // The other devices show the parts of these lists that they have loaded.
    for (const state of ['archived', 'trash'] as const)
      if (log.conversations.some((one) => stateOf(one) === state))
        await own[0]!.engine.conversations.loadMore(state)
    for (const device of own) checkDeviceState(device, log)
    const what = 'the documents agree with the log'
    await eventually(() => checkDocuments(database, user_id, log), { within: ms, what })
  }
}

/**
 * P1: an acknowledged command is in the log once, at the acked `seq`, or its effect was there
 * already.
 */
async function checkAcknowledged(
  { topic, command, key, sent, shows }: TrackedCommand,
  log: FoldedLog,
): Promise<void> {
  const outcome = await sent.outcome
  if (!outcome.ok) return
  const entry = log.entries.find(
    (entry) => entry.topic === topic && entry.mutation_id === sent.mutation_id,
  )
  if (entry) assertEqual(outcome.seq, entry.seq, `the acked seq of ${command}`)
  if (log.isStripped(topic, key)) return
  const shown = shows(log.at(topic, key, outcome.seq), entry !== undefined)
  assertEqual(
    shown,
    true,
    `an acked ${command} ${entry ? 'with' : 'without'} an entry shows at its seq ${outcome.seq}`,
  )
}

/** P1: every change reached the device and was applied, once and in order. */
function checkOrder({ line, applied, engine, topics }: FuzzDevice, undisturbed: boolean): void {
  for (const stream of line.streams) {
    stream.check()
    if (undisturbed) assertEqual(stream.catchUps, 0, `catch-ups of ${stream.topic} on a connection`)
  }
  for (const topic of topics) {
    const seqs = applied.get(topic)!
    const last = engine[topic].cursor!.seq
    if (seqs.length > 0)
      assertEqual(
        seqs,
        seqsBetween(seqs[0]! - 1, last),
        `the changes of ${topic} that the device applied`,
      )
  }
}

/** P2: the device shows the state of the log, list by list and window by window. */
function checkDeviceState({ engine, topics }: FuzzDevice, log: FoldedLog): void {
  const { conversations: stored } = log
  const states: ListState[] = ['active', 'archived', 'trash']
  for (const state of states) {
    const { items, loaded } = engine.conversations.list(state)
    const ids = new Set(items.map(({ id }) => id))
    const all = stored.filter((conversation) => stateOf(conversation) === state)
    const known = loaded ? all : all.filter(({ id }) => ids.has(id))
    assertEqual(
      items.map(plainSummary).toSorted(byId),
      known.map(plainSummary).toSorted(byId),
      `the list ${state}`,
    )
  }
  for (const conversation of stored) {
    const view = engine.conversations.get(conversation.id)
    if (view?.windowed)
      assertEqual(
        view.messages.map(plainMessage),
        conversation.messages,
        'the messages on the device',
      )
    if (view?.windowed && !view.has_more)
      assertEqual(view.removed, conversation.removed, 'the deleted messages on the device')
  }
  const { value: preferences, version } = engine.preferences
  assertEqual({ preferences, version }, log.preferences, 'the preferences')
  if (topics.includes('agents'))
    assertEqual(
      engine.agents.runs.items.map(plainRun).toSorted(byId),
      log.runs.toSorted(byId),
      'the runs',
    )
  if (topics.includes('records'))
    assertEqual(
      engine.records.list('note').map(plainRecord),
      log.records.toSorted(byId),
      'the records',
    )
  const sessions = engine.account.sessions.map(plainSession)
  assertEqual(sessions.toSorted(byId), log.account.sessions.toSorted(byId), 'the sessions')
}

/** P3: no change that a device received belongs to another user. */
function checkPrivacy({ line, person }: FuzzDevice, log: FoldedLog): void {
  const own = new Set(
    log.entries.map(({ topic, entity_id, seq }) => `${topic} ${seq} ${entity_id}`),
  )
  for (const { topic, seq, entity_id } of line.streams.flatMap(({ changes }) => changes))
    assertEqual(
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

function plainSession({
  last_seen_at: _lastSeenAt,
  current: _current,
  online: _online,
  ...session
}: ListedSession) {
  return session
}

function plainRecord({ delivery: _delivery, mutation_id: _mutation, ...record }: RecordView) {
  return record
}

function plainRun({ delivery: _delivery, mutation_id: _mutation, ...run }: RunView) {
  return isOver(run.status) ? run : { ...run, status: 'not ended' }
}
