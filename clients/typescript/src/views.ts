// What a page sees of the topics: immutable snapshots (a new object when something changed, the same one while nothing did) and the
// commands. Everything here shows the confirmed state with the unsent commands already applied.
import type { Agent, Run, RunStatus } from '@lockstep/protocol/agents'
import type { ListedSession, Session, User } from '@lockstep/protocol/account'
import type { Cursor } from '@lockstep/protocol/cursor'
import type { Summary } from '@lockstep/protocol/conversations'
import type { Problem } from '@lockstep/protocol/problem'
import type { JsonObject } from '@lockstep/protocol/free-form'
import type { Message, MessageInput } from '@lockstep/protocol/message'
import type { Presence } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'

/** A command that the server has not confirmed yet, in the order of issue. A snapshot: statuses change by new objects. */
export interface OutboxItem {
  readonly mutation_id: string
  readonly topic: Topic
  /** The command's name, as in the contract's table: `append`, `update`, … */
  readonly command: string
  /** The conversation or the run; in the other topics the topic's name. */
  readonly entity_id: string
  /** The messages that the command writes. */
  readonly message_ids: readonly string[]
  /** ISO time of issue. */
  readonly at: string
  readonly status: 'queued' | 'sending' | 'failed'
  /**
   * `failed`: why. `version_conflict` carries `current`, the entity (or, of an edit, the message) as it is now: offer
   * `retry({ overwrite: true })` (keep mine) or `discard()` (take theirs). `queued`: why the last attempt has to be repeated, if there was one.
   */
  readonly problem?: Problem
  /** Sends a failed command again, or a waiting one now. `overwrite` drops the version that it insisted on. */
  retry(options?: { overwrite?: boolean }): void
  /** Forgets a queued or failed command. One that is being sent can't be taken back: nothing happens. */
  discard(): void
}

/** How a command ended. `discarded`: by the user; `dropped`: the engine was stopped or signed out before it was confirmed. */
export type CommandOutcome =
  | { ok: true; seq?: number; version?: number }
  | { ok: false; reason: 'failed'; problem: Problem }
  | { ok: false; reason: 'discarded' | 'dropped' }

/** What a command gives at once. The view shows its effect already. */
export interface IssuedCommand {
  /** Of what was made or named: the conversation, of `append` and `edit` the message, the run, … */
  readonly id: string
  readonly mutation_id: string
  /** Settles once, with the first of: confirmed, refused, discarded, dropped. Never rejects; stays pending while offline. */
  readonly outcome: Promise<CommandOutcome>
}

/** What all topics have. */
export interface TopicView {
  /** True once the first load is done; it stays true while reconnecting. */
  readonly loaded: boolean
  /** The last change this device holds without a gap; undefined before the first load. */
  readonly cursor: Cursor | undefined
  /** Nothing is known to be missing: the outbox is empty, nothing is loading, no gap is open. */
  readonly settled: boolean
  readonly outbox: readonly OutboxItem[]
  /** Called (at most once a microtask) after any snapshot of the topic became another. Returns the unsubscriber. */
  subscribe(listener: () => void): () => void
}

export type ListState = 'active' | 'archived' | 'trash'

export interface SummaryView extends Summary {
  /** The worst of the commands that wait for this conversation. */
  readonly delivery: Delivery
}

/** `sent`: confirmed by the server. */
export type Delivery = 'sent' | 'sending' | 'queued' | 'failed'

export interface ListView {
  /** Newest `updated_at` first; pinned ones are not moved. */
  readonly items: readonly SummaryView[]
  /** There are older ones on the server: `loadMore`. */
  readonly more: boolean
  readonly loading: boolean
  /** The first page is here. */
  readonly loaded: boolean
}

/** A message with streamed text merged into `content`. */
export interface MessageView extends Message {
  readonly delivery: Delivery
  /** Of the newest command that writes it, unless it is `sent`. */
  readonly mutation_id?: string
  /** While the model thinks before what it says next: when that began, as `performance.now()` has it. */
  readonly thinking_since?: number
}

export interface ConversationView extends SummaryView {
  /** A window that reaches to the newest, by position. */
  readonly messages: readonly MessageView[]
  /** There are older messages before the window: `loadOlder`. */
  readonly has_more: boolean
  /** False while only the summary is known: `open` loads the window. */
  readonly windowed: boolean
  readonly loading: boolean
  /** What waits for this conversation, in order. */
  readonly outbox: readonly OutboxItem[]
}

export interface ConversationFields {
  title?: string
  /** A merge patch. */
  metadata?: JsonObject
  pinned?: boolean
  archived?: boolean
}

export interface ConversationsTopic extends TopicView {
  /** `active` is loaded at start; the others by `loadMore`. */
  list(state: ListState): ListView
  /** Loads the first or next page. Rejects with a Fault when the server can't be asked. */
  loadMore(state: ListState): Promise<void>
  /** As far as it is known; undefined when it isn't, or was purged. In the trash: with `deleted_at`. */
  get(id: string): ConversationView | undefined
  /**
   * Loads the newest messages and keeps them live until as many `close`. Resolves with the window, waits while offline, rejects with
   * Fault `not_found` (the page is then free to close it), or `unavailable` when the engine stops.
   */
  open(id: string): Promise<ConversationView>
  /** The windows of the last 20 closed conversations stay. */
  close(id: string): void
  /** Puts up to 100 older messages before the window. Rejects with a Fault when the server can't be asked. */
  loadOlder(id: string): Promise<void>
  /** Asks the server for titles and texts that contain `q`; the answer isn't live. */
  search(
    q: string,
    options?: { state?: ListState; cursor?: string; limit?: number; signal?: AbortSignal },
  ): Promise<{ items: Summary[]; next_cursor: string | null }>

  create(input?: {
    id?: string
    title?: string
    messages?: MessageInput[]
    metadata?: JsonObject
  }): IssuedCommand
  update(id: string, fields: ConversationFields, options?: { if_version?: number }): IssuedCommand
  rename(id: string, title: string, options?: { if_version?: number }): IssuedCommand
  pin(id: string, pinned: boolean): IssuedCommand
  archive(id: string, archived: boolean): IssuedCommand
  append(id: string, message: MessageInput): IssuedCommand
  /**
   * With the `version` that the user saw, an edit that meets a newer one fails with `version_conflict`; without, it wins. A message whose
   * `append` was refused is sent anew. Throws Fault `not_found` when the message is before the window.
   */
  edit(
    id: string,
    message_id: string,
    content: string,
    options?: { version?: number },
  ): IssuedCommand
  delete(id: string): IssuedCommand
  restore(id: string): IssuedCommand
  /** Brings it back to what it was at a `seq`: only the server knows what that was, so it shows when the change comes. */
  rewind(id: string, seq: number): IssuedCommand
  purge(id: string): IssuedCommand
  /** Starts an assistant's reply to what is there. */
  reply(id: string, options?: { agent?: string; replaces?: string }): IssuedCommand
  /** A reply that is another version of `message_id`. */
  regenerate(id: string, message_id: string, options?: { agent?: string }): IssuedCommand
  /** Stops the reply that streams into `message_id`. */
  stop(id: string, message_id: string): IssuedCommand
}

export interface PreferencesTopic extends TopicView {
  readonly value: JsonObject
  readonly version: number
  /** RFC 7396. */
  update(patch: JsonObject, options?: { if_version?: number }): IssuedCommand
}

export interface AccountTopic extends TopicView {
  readonly user: User | undefined
  readonly session: Session | undefined
  /** Signed-in devices, newest first; `online` is live. */
  readonly sessions: readonly ListedSession[]
  /** The other open connections of this user, by `connection_id`; `viewing` is the conversation it looks at. */
  readonly presence: ReadonlyMap<string, Presence>
  /** Signs a device out. */
  revoke(session_id: string): IssuedCommand
  /** Tells the other devices where this one looks; repeated by the engine after a reconnect. */
  viewing(conversation_id: string | null): void
}

/** A run with streamed text merged into `output`. */
export interface RunView extends Run {
  readonly delivery: Delivery
  readonly mutation_id?: string
}

/** Without a field: any. */
export interface RunFilter {
  readonly agent?: string
  readonly status?: RunStatus
}

export interface RunsView {
  /** Newest `started_at` first. */
  readonly items: readonly RunView[]
  /** There may be older ones on the server: `loadMore`. */
  readonly more: boolean
  readonly loading: boolean
  /** The first page is here. */
  readonly loaded: boolean
}

export interface AgentsTopic extends TopicView {
  readonly agents: readonly Agent[]
  /** All runs, as far as they are loaded. */
  readonly runs: RunsView
  /** Those of them that match; not loaded before `loadMore` was asked for them. */
  list(filter: RunFilter): RunsView
  get(run_id: string): RunView | undefined
  /** Loads a run that isn't held. Rejects with Fault `not_found`, or when the server can't be asked. */
  open(run_id: string): Promise<RunView>
  /** The next page of a list, of all runs unless told. Rejects with a Fault when the server can't be asked. */
  loadMore(filter?: RunFilter): Promise<void>
  run(input: {
    id?: string
    agent: string
    input: string
    conversation_id?: string | null
  }): IssuedCommand
  stop(run_id: string): IssuedCommand
  delete(run_id: string): IssuedCommand
}

/** A run that will not change any more. */
export const isOver = (status: RunStatus): boolean => status !== 'queued' && status !== 'running'
