// The state that a `Follower` has of each topic: how it is loaded over HTTP, how a change is
// applied, and when a change means that the entity must be loaded (CLIENT-2).
import type { Session } from '@lockstep/protocol/account'
import type { WireChange } from '@lockstep/protocol/change'
import type { Cursor } from '@lockstep/protocol/cursor'
import type { Conversation } from '@lockstep/protocol/conversations'
import type { Preferences } from '@lockstep/protocol/preferences'
import { reduceAccount, type HeldAccount } from '@lockstep/protocol/reduce/account'
import {
  isConversation,
  reduceConversation,
  type HeldConversation,
} from '@lockstep/protocol/reduce/conversation'
import { reducePreferences } from '@lockstep/protocol/reduce/preferences'
import { isRun, reduceRun, type HeldRun } from '@lockstep/protocol/reduce/run'
import type { Run } from '@lockstep/protocol/agents'
import type { Person } from './person.ts'

interface FollowedState<State> {
  cursor: Cursor
  /** Applies a change. False means that the entity must be loaded instead. */
  apply(change: WireChange): boolean
  loadEntity(person: Person, change: WireChange): Promise<void>
  /** The state in an order that doesn't depend on the order of the changes. */
  state(): State
}
export interface States {
  conversations: Conversation[]
  preferences: Preferences
  agents: Run[]
  account: HeldAccount
}
export type FollowedTopic = keyof States
export type FollowedStateOf<T extends FollowedTopic> = FollowedState<States[T]>

const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1)
const cursorOf = ({ epoch, seq }: Cursor): Cursor => ({ epoch, seq })

/** Whether a change can be applied: it brings the whole entity, or continues the held version. */
const isApplicable = (
  held: { version: number } | undefined,
  change: WireChange,
  whole: readonly string[],
) =>
  !change.stripped &&
  (whole.includes(change.op) || (held !== undefined && change.version <= held.version + 1))

class FollowedConversations implements FollowedState<Conversation[]> {
  readonly cursor: Cursor
  readonly #held = new Map<string, HeldConversation>()

  constructor(cursor: Cursor, conversations: readonly Conversation[]) {
    this.cursor = cursor
    for (const conversation of conversations) this.#held.set(conversation.id, conversation)
  }

  /** Loads every page of every list; the `seq` of the first page counts. */
  static async load(person: Person): Promise<FollowedConversations> {
    let cursor: Cursor | undefined
    const ids = new Set<string>()
    for (const state of ['active', 'archived', 'trash'] as const)
      for (let next: string | undefined; ;) {
        const page = await person.ask('listConversations', {
          query: { state, limit: '200', cursor: next },
        })
        cursor ??= cursorOf(page)
        for (const { id } of page.items) ids.add(id)
        if (!page.next_cursor) break
        next = page.next_cursor
      }
    const loaded = await Promise.all([...ids].map((id) => loadConversation(person, id)))
    return new FollowedConversations(
      cursor!,
      loaded.filter((conversation) => conversation !== undefined),
    )
  }

  apply(change: WireChange): boolean {
    const held = this.#held.get(change.entity_id)
    if (change.op !== 'purged' && !isApplicable(held, change, ['created']))
      return held !== undefined && change.version <= held.version
    this.#held.set(change.entity_id, reduceConversation(held, change))
    return true
  }

  async loadEntity(person: Person, { entity_id }: WireChange): Promise<void> {
    const loaded = await loadConversation(person, entity_id)
    if (loaded) this.#held.set(entity_id, loaded)
    else this.#held.delete(entity_id)
  }

  state(): Conversation[] {
    return [...this.#held.values()].filter(isConversation).sort(byId)
  }
}

/** The whole conversation, also from the trash; undefined if there is none. */
async function loadConversation(person: Person, id: string): Promise<Conversation | undefined> {
  for (const state of [undefined, 'trash' as const]) {
    const path = `/conversations/${id}?limit=500${state ? `&state=${state}` : ''}`
    const reply = await person.rest<Conversation & Cursor>('GET', path)
    if (reply.status === 404) continue
    if (reply.status !== 200)
      throw new Error(`GET ${path}: ${reply.status} ${JSON.stringify(reply.body)}`)
    const { epoch: _epoch, seq: _seq, ...conversation } = reply.body
    while (conversation.has_more) {
      const before = String(conversation.messages[0]!.position)
      const older = await person.ask('getConversation', {
        params: { id },
        query: { limit: '500', before, state },
      })
      if (older.version !== conversation.version) return loadConversation(person, id)
      conversation.messages.unshift(...older.messages)
      conversation.has_more = older.has_more
    }
    return conversation
  }
  return undefined
}

class FollowedPreferences implements FollowedState<Preferences> {
  readonly cursor: Cursor
  #held: Preferences

  constructor(cursor: Cursor, held: Preferences) {
    this.cursor = cursor
    this.#held = held
  }

  static async load(person: Person): Promise<FollowedPreferences> {
    const { epoch, seq, ...held } = await person.ask('getPreferences')
    return new FollowedPreferences({ epoch, seq }, held)
  }

  apply(change: WireChange): boolean {
    if (!isApplicable(this.#held, change, [])) return change.version <= this.#held.version
    this.#held = reducePreferences(this.#held, change)
    return true
  }

  async loadEntity(person: Person): Promise<void> {
    this.#held = (await FollowedPreferences.load(person)).state()
  }

  state(): Preferences {
    return this.#held
  }
}

class FollowedRuns implements FollowedState<Run[]> {
  readonly cursor: Cursor
  readonly #held = new Map<string, HeldRun>()

  constructor(cursor: Cursor, runs: readonly Run[]) {
    this.cursor = cursor
    for (const run of runs) this.#held.set(run.id, run)
  }

  static async load(person: Person): Promise<FollowedRuns> {
    let cursor: Cursor | undefined
    const runs: Run[] = []
    for (let next: string | undefined; ;) {
      const page = await person.ask('listRuns', { query: { limit: '200', cursor: next } })
      cursor ??= cursorOf(page)
      runs.push(...page.items)
      if (!page.next_cursor) return new FollowedRuns(cursor, runs)
      next = page.next_cursor
    }
  }

  apply(change: WireChange): boolean {
    const held = this.#held.get(change.entity_id)
    if (change.op !== 'deleted' && !isApplicable(held, change, ['created']))
      return held !== undefined && change.version <= held.version
    this.#held.set(change.entity_id, reduceRun(held, change))
    return true
  }

  async loadEntity(person: Person, { entity_id }: WireChange): Promise<void> {
    const { status, body } = await person.rest<Run>('GET', `/agent-runs/${entity_id}`)
    if (status === 200) this.#held.set(entity_id, body)
    else this.#held.delete(entity_id)
  }

  state(): Run[] {
    return [...this.#held.values()].filter(isRun).sort(byId)
  }
}

class FollowedAccount implements FollowedState<HeldAccount> {
  readonly cursor: Cursor
  #held: HeldAccount

  constructor(cursor: Cursor, held: HeldAccount) {
    this.cursor = cursor
    this.#held = held
  }

  /** The username is at least as new as its `seq`, and the sessions are at least as new as that. */
  static async load(person: Person): Promise<FollowedAccount> {
    const { user, epoch, seq } = await person.ask('getMe')
    const { items } = await person.ask('listSessions')
    const sessions = items.map(({ id, device, created_at }): Session => ({
      id,
      device,
      created_at,
    }))
    return new FollowedAccount({ epoch, seq }, { username: user.username, sessions, closed: false })
  }

  /** A change of this topic is always complete, so an entity never has to be loaded. */
  apply(change: WireChange): boolean {
    this.#held = reduceAccount(this.#held, change)
    return true
  }

  async loadEntity(person: Person): Promise<void> {
    this.#held = (await FollowedAccount.load(person)).state()
  }

  state(): HeldAccount {
    return { ...this.#held, sessions: this.#held.sessions.toSorted(byId) }
  }
}

/** How a follower loads each topic. */
export const followedTopics: {
  [T in FollowedTopic]: { load(person: Person): Promise<FollowedStateOf<T>> }
} = {
  conversations: FollowedConversations,
  preferences: FollowedPreferences,
  agents: FollowedRuns,
  account: FollowedAccount,
}
