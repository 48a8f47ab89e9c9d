// What must be true when everybody is quiet again: P1 to P3 of the contract.
import type { MongoClient } from 'mongodb'
import { expect } from 'vitest'
import type { Conversation } from '../../protocol/conversations.ts'
import type { Message } from '../../protocol/message.ts'
import type { ConversationView, ListState, MessageView, SummaryView } from '../../ui/src/lib/sync/views.ts'
import { eventually } from '../harness/eventually.ts'
import { truth } from '../harness/follower.ts'
import type { Person } from '../harness/person.ts'
import type { Handset } from './cast.ts'

const QUIET_MS = 15_000
/** How a command may end when others were faster: with what it was about gone, or given up by its device. */
const mayRefuse = new Set(['not_found', 'id_taken', 'version_conflict'])

interface Entry {
  _id: string
  topic: string
  seq: number
  entity_id: string
  mutation_id: string
}

/** Everything heals, everybody comes back, and nothing is left to send. */
export async function quiet(handsets: readonly Handset[]): Promise<void> {
  for (const handset of handsets) {
    handset.line.heal()
    handset.slow = false
    handset.engine.nudge()
  }
  for (const [index, { engine }] of handsets.entries()) {
    const what = `device ${index} is quiet`
    const settled = () => {
      for (const item of engine.outbox)
        if (item.status === 'failed' && mayRefuse.has(item.problem!.code)) item.discard()
        else if (item.status === 'failed') throw new Error(`${item.command} failed: ${JSON.stringify(item.problem)}`)
      return engine.unsent === 0 && engine.conversations.settled && engine.preferences.settled
    }
    await eventually(settled, { within: QUIET_MS, what }).catch((error: Error) => {
      const { cursor } = engine.conversations
      throw new Error(`${error.message}: ${engine.state.name}, ${engine.connection}, ${JSON.stringify({ cursor, unsent: engine.unsent })}`) // prettier-ignore
    })
  }
}

/** Checks all of it; throws what differs. */
export async function hold(handsets: readonly Handset[], client: MongoClient): Promise<void> {
  const people = new Map(handsets.map(({ person }) => [person.user.id, person]))
  for (const [user_id, person] of people) {
    const own = handsets.filter((handset) => handset.person.user.id === user_id)
    const entries = await client.db().collection<Entry>('changes').find({ user_id }).sort({ _id: 1 }).toArray()
    contiguous(entries)
    const conversations = await truth(person, 'conversations')
    const preferences = await truth(person, 'preferences')
    for (const handset of own) {
      await once(handset, entries, conversations)
      await eventually(
        async () => {
          await equal(handset, conversations)
          expect(handset.engine.preferences.value).toEqual(preferences.preferences)
          return true
        },
        { within: QUIET_MS, what: 'the device holds what the database holds' },
      )
      private_(handset, entries, person)
    }
  }
}

function contiguous(entries: readonly Entry[]): void {
  for (const topic of new Set(entries.map((entry) => entry.topic))) {
    const seqs = entries.filter((entry) => entry.topic === topic).map(({ seq }) => seq)
    expect(seqs, `the log of ${topic}`).toEqual(seqs.map((_, index) => index + 1))
  }
}

/** P1: what was acked is in the log once, and what it made is there, unless its conversation was purged. */
async function once(
  { given }: Handset,
  entries: readonly Entry[],
  conversations: readonly Conversation[],
): Promise<void> {
  const byMutation = Map.groupBy(entries, ({ mutation_id }) => mutation_id)
  for (const { command, id, conversation, sent } of given) {
    const outcome = await sent.outcome
    const found = byMutation.get(sent.mutation_id) ?? []
    expect(found.length, `entries of one ${command}`).toBeLessThanOrEqual(1)
    if (!outcome.ok) continue
    if (found[0] && outcome.seq !== undefined) expect(outcome.seq, `the acked seq of ${command}`).toBe(found[0].seq)
    if (command !== 'create' && command !== 'append') continue
    expect(found, `an acked ${command} is in the log`).toHaveLength(1)
    const holder = conversations.find((other) => other.id === conversation)
    if (holder && command === 'append') expect(holder.messages.map((message) => message.id)).toContain(id)
  }
}

/** P2: the device shows what the database holds, list by list and window by window. */
async function equal({ engine }: Handset, conversations: readonly Conversation[]): Promise<void> {
  const states: ListState[] = ['active', 'archived', 'trash']
  for (const state of states) {
    if (!engine.conversations.list(state).loaded) await engine.conversations.loadMore(state)
    const held = engine.conversations.list(state).items.map(bare)
    const stored = conversations.filter((conversation) => stateOf(conversation) === state).map(bare)
    expect(held.toSorted(byId), `the list ${state}`).toEqual(stored.toSorted(byId))
  }
  for (const conversation of conversations) {
    const view = engine.conversations.get(conversation.id)
    if (view?.windowed) expect(view.messages.map(bareMessage), 'the messages held').toEqual(conversation.messages)
  }
}

/** P3: nothing that a device received belongs to anybody else. */
function private_({ line }: Handset, entries: readonly Entry[], { user }: Person): void {
  const own = new Set(entries.map(({ entity_id }) => entity_id))
  for (const { payload } of line.received) {
    const { changes = [payload] } = payload as { changes?: unknown[] }
    for (const change of changes as Entry[]) expect(own, `what ${user.username} received`).toContain(change.entity_id)
  }
}

const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1)

const stateOf = ({ deleted_at, archived }: Conversation): ListState =>
  deleted_at !== null ? 'trash' : archived ? 'archived' : 'active'

function bare(summary: SummaryView | ConversationView | Conversation) {
  const { id, user_id, title, message_count, preview, metadata, pinned, archived } = summary
  const { created_at, updated_at, deleted_at, version } = summary
  return { id, user_id, title, message_count, preview, metadata, pinned, archived, created_at, updated_at, deleted_at, version } // prettier-ignore
}

function bareMessage({ delivery: _delivery, mutation_id: _mutation, ...message }: MessageView): Message {
  return message
}
