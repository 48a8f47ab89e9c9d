// The state of each topic, the parts of it that a command may need, and the cache of states at the
// head: every command's state is loaded through this table.
import type { Topic } from '@lockstep/protocol/topics'
import { accountState, type AccountNeeds, type AccountState } from './account-state.ts'
import {
  conversationState,
  type ConversationNeeds,
  type ConversationState,
} from './conversation-state.ts'
import { EntityCache } from './entity-cache.ts'
import { preferencesState } from './preferences-state.ts'
import { recordState } from './record-state.ts'
import { runState } from './run-state.ts'
import type { Preferences } from '@lockstep/protocol/preferences'
import type { HeldRecord } from '@lockstep/protocol/reduce/record'
import type { HeldRun } from '@lockstep/protocol/reduce/run'
import type { TopicState } from './topic-state.ts'

export interface StateOf {
  conversations: ConversationState
  preferences: Preferences
  agents: HeldRun
  account: AccountState
  records: HeldRecord
}

export interface NeedsOf {
  conversations: ConversationNeeds
  preferences: Record<never, never>
  agents: Record<never, never>
  account: AccountNeeds
  records: Record<never, never>
}

export const states: { [T in Topic]: TopicState<StateOf[T], NeedsOf[T]> } = {
  conversations: conversationState,
  preferences: preferencesState,
  agents: runState,
  account: accountState,
  records: recordState,
}

/** The states at the head that one log keeps. */
export type StateCaches = { readonly [T in Topic]: EntityCache<StateOf[T]> }

const MB = 1024 * 1024

export const createStateCaches = (): StateCaches => ({
  conversations: new EntityCache(32 * MB),
  preferences: new EntityCache(8 * MB),
  agents: new EntityCache(8 * MB),
  account: new EntityCache(0), // its states are documents that others write
  records: new EntityCache(8 * MB),
})
