// What each topic is to the log, as one value: the state that its commands decide on, and how its
// documents follow. `StateOf`, the caches, the projector and the deletion of accounts follow from
// it. `protocol/topic-table.ts` has what the topic is on the wire.
import type { Topic } from '@lockstep/protocol/topics'
import type { sealedFields } from '../store/sealing/sealed-fields.ts'
import { projectConversations } from './projection/conversations.ts'
import { projectPreferences } from './projection/preferences.ts'
import type { Project } from './projection/projection.ts'
import { projectRecords } from './projection/records.ts'
import { projectRuns } from './projection/runs.ts'
import { accountState } from './state/account-state.ts'
import { conversationState } from './state/conversation-state.ts'
import { EntityCache } from './state/entity-cache.ts'
import { preferencesState } from './state/preferences-state.ts'
import { recordState } from './state/record-state.ts'
import { runState } from './state/run-state.ts'
import type { TopicState } from './state/topic-state.ts'

interface LogTopic<State, Needs> {
  state: TopicState<State, Needs>
  /** The most bytes of states that a node keeps. */
  cacheBytes: number
  project: Project<State>
  /**
   * Where its documents are: what `sealed-fields.ts` seals, and what goes with an account. Each
   * document has a `user_id`, and an id that begins with `<user>:`.
   */
  collections: readonly (keyof typeof sealedFields)[]
}

const MB = 1024 * 1024

const table = {
  conversations: {
    state: conversationState,
    cacheBytes: 32 * MB,
    project: projectConversations,
    collections: ['conversations', 'messages'],
  },
  preferences: {
    state: preferencesState,
    cacheBytes: 8 * MB,
    project: projectPreferences,
    // they are part of the user's document
    collections: [],
  },
  agents: {
    state: runState,
    cacheBytes: 8 * MB,
    project: projectRuns,
    collections: ['agent_runs'],
  },
  account: {
    state: accountState,
    // its states are documents that others write
    cacheBytes: 0,
    // accounts and sessions are authoritative documents that are written first
    project: () => Promise.resolve(),
    collections: [],
  },
  records: {
    state: recordState,
    cacheBytes: 8 * MB,
    project: projectRecords,
    collections: ['records'],
  },
} as const

type Table = typeof table
type Types<Value> =
  Value extends TopicState<infer State, infer Needs> ? { state: State; needs: Needs } : never
export type StateOf = { [T in Topic]: Types<Table[T]['state']>['state'] }
export type NeedsOf = { [T in Topic]: Types<Table[T]['state']>['needs'] }

/** A topic that is missing, or that lacks a part, is a type error. */
export const logTopics: { [T in Topic]: LogTopic<StateOf[T], NeedsOf[T]> } = table

/** The states at the head that one log keeps. */
export type StateCaches = { readonly [T in Topic]: EntityCache<StateOf[T]> }

export const createStateCaches = (): StateCaches => ({
  conversations: cacheOf('conversations'),
  preferences: cacheOf('preferences'),
  agents: cacheOf('agents'),
  account: cacheOf('account'),
  records: cacheOf('records'),
})

const cacheOf = <T extends Topic>(topic: T): EntityCache<StateOf[T]> =>
  new EntityCache(logTopics[topic].cacheBytes)
