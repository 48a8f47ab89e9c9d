// The state of each topic, and the parts of it that a command may need. This is where a cache of
// that state belongs: every command's state is loaded through this table, with the head that it
// belongs to.
import type { Topic } from '@lockstep/protocol/topics'
import { accountState, type AccountNeeds, type AccountState } from './account-state.ts'
import {
  conversationState,
  type ConversationNeeds,
  type ConversationState,
} from './conversation-state.ts'
import { preferencesState } from './preferences-state.ts'
import { runState } from './run-state.ts'
import type { Preferences } from '@lockstep/protocol/preferences'
import type { HeldRun } from '@lockstep/protocol/reduce/run'
import type { TopicState } from './topic-state.ts'

export interface StateOf {
  conversations: ConversationState
  preferences: Preferences
  agents: HeldRun
  account: AccountState
}

export interface NeedsOf {
  conversations: ConversationNeeds
  preferences: Record<never, never>
  agents: Record<never, never>
  account: AccountNeeds
}

export const states: { [T in Topic]: TopicState<StateOf[T], NeedsOf[T]> } = {
  conversations: conversationState,
  preferences: preferencesState,
  agents: runState,
  account: accountState,
}
