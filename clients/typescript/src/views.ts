// What a program sees of the topics: snapshots and commands. A snapshot is immutable: a new object
// if something has changed, and otherwise the same one. It shows the confirmed state with the
// effects of the pending commands.
import type { ListedSession, Session, User } from '@lockstep/protocol/account'
import type { Agent, Run, RunStatus } from '@lockstep/protocol/agents'
import type { Conversation, Summary } from '@lockstep/protocol/conversations'
import type { Cursor } from '@lockstep/protocol/cursor'
import type { Draft } from '@lockstep/protocol/drafts'
import type { JsonObject } from '@lockstep/protocol/free-form'
import type { Message, MessageInput, RemovedMessage } from '@lockstep/protocol/message'
import type { Problem } from '@lockstep/protocol/problem'
import type { Presence } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'

/**
 * A command that the server has not confirmed. It is a snapshot: when its status changes, it is
 * another object.
 */
export interface OutboxItem {
  readonly mutation_id: string
  readonly topic: Topic
  /** The command's name, as in the contract's table: `append`, `update`, … */
  readonly command: string
  /** The conversation or the run; in the other topics the topic's name. */
  readonly entity_id: string
  /** The messages that the command writes. */
  readonly message_ids: readonly string[]
  /** ISO time at which the command was issued. */
  readonly at: string
  readonly status: 'queued' | 'sending' | 'failed'
  /**
   * Why a failed command failed. `version_conflict` carries `current`, the entity (for an edit, the
   * message) as it is now. Offer the user `retry({ overwrite: true })` to keep their version, or
   * `discard()` to accept the other one. For a queued command that was tried before: why it has to
   * be repeated.
   */
  readonly problem?: Problem
  /**
   * Sends a failed command again, or a queued one now. `overwrite` drops the version that the
   * command requires.
   */
  retry(options?: { overwrite?: boolean }): void
  /** Removes a queued or failed command. Does nothing to one that is being sent. */
  discard(): void
}

/**
 * How a command ended. `discarded`: by the user. `dropped`: the engine was stopped or signed out
 * before the server confirmed the command.
 */
export type CommandOutcome =
  | { ok: true; seq?: number; version?: number }
  | { ok: false; reason: 'failed'; problem: Problem }
  | { ok: false; reason: 'discarded' | 'dropped' }

/** What a command returns at once. Its effect shows already. */
export interface IssuedCommand {
  /** The subject's id: the conversation, the run, for `append` and `edit` the message. */
  readonly id: string
  readonly mutation_id: string
  /**
   * Resolves once, when the command is confirmed, refused, discarded or dropped, whichever is
   * first. It never rejects. It stays pending while the device is offline.
   */
  readonly outcome: Promise<CommandOutcome>
}

/** What all topics have. */
export interface TopicView {
  /** The first load is done. Stays true while reconnecting. */
  readonly loaded: boolean
  /** This device holds every change up to here; undefined before the first load. */
  readonly cursor: Cursor | undefined
  /**
   * Nothing is known to be missing: the outbox is empty, nothing is loading, and no gap is open.
   */
  readonly settled: boolean
  /** In the order in which the commands were issued. */
  readonly outbox: readonly OutboxItem[]
  /**
   * Calls `listener` after any snapshot of the topic has changed, at most once per microtask.
   * Returns the function that ends this. It can be passed on without the topic.
   */
  readonly subscribe: (listener: () => void) => () => void
}

export type ListState = 'active' | 'archived' | 'trash'

export interface SummaryView extends Summary {
  /** The worst status of the commands that are pending for this conversation. */
  readonly delivery: Delivery
  /**
   * It is encrypted, and this device doesn't have its key: its texts are empty, and `title` is
   * `Encrypted conversation`. Only with the engine's option `encryption`.
   */
  readonly locked?: true
}

/** `sent`: the server has confirmed it. */
export type Delivery = 'sent' | 'sending' | 'queued' | 'failed'

export interface ListView {
  /** Newest `updated_at` first. Pinned conversations are not moved. */
  readonly items: readonly SummaryView[]
  /** The server may have older ones: `loadMore`. */
  readonly more: boolean
  readonly loading: boolean
  /** The first page is here. */
  readonly loaded: boolean
}

/**
 * A message. While it is streaming, `content`, `parts` and `metadata.thinking` include what the log
 * doesn't have yet.
 */
export interface MessageView extends Message {
  readonly delivery: Delivery
  /** The newest command that writes the message, unless it was `sent`. */
  readonly mutation_id?: string
  /** While the model thinks before it writes on: when that began, as `performance.now()` counts. */
  readonly thinking_since?: number
  /** Of an encrypted conversation: the text isn't from somebody who has its key. */
  readonly unreadable?: true
}

export interface ConversationView extends SummaryView {
  /** A window of messages by position. It reaches to the newest one. */
  readonly messages: readonly MessageView[]
  /** What is left of deleted messages of the window; `branchOf` leads threads through them. */
  readonly removed?: readonly RemovedMessage[]
  /** There are older messages before the window: `loadOlder`. */
  readonly has_more: boolean
  /** False if only the summary is known: `open` loads the window. */
  readonly windowed: boolean
  readonly loading: boolean
  /** The commands that are pending for this conversation, in order. */
  readonly outbox: readonly OutboxItem[]
}

export interface ConversationFields {
  title?: string
  /** A merge patch. */
  metadata?: JsonObject
  pinned?: boolean
  archived?: boolean
}

export interface NewConversation {
  id?: string
  title?: string
  messages?: MessageInput[]
  metadata?: JsonObject
}

/** `insecure`: the page isn't served over https or at localhost, so it can't decrypt. */
export type UnlockResult = 'unlocked' | 'wrong_passphrase' | 'not_encrypted' | 'insecure'

/** The engine's `conversations.encrypted`: there if the engine has the option `encryption`. */
export interface EncryptedConversations {
  /**
   * Creates a conversation whose texts only clients with the passphrase can read, or that has the
   * passphrase of another one which is unlocked here. Resolves once the command is issued; it takes
   * a moment to make the key. Losing the passphrase loses the texts. Rejects with Fault `invalid`
   * if this page can't encrypt, because it isn't served over https.
   */
  create(
    input: NewConversation,
    under: { passphrase: string } | { like: string },
  ): Promise<IssuedCommand>
  /**
   * Opens an encrypted conversation on this device, until `lock`, a sign-out or the engine's stop.
   * The key is in memory only. While it is locked, commands that write texts throw Fault `invalid`.
   * Rejects with Fault `not_found`, `unavailable`, or `invalid` for a form that this version
   * doesn't know.
   */
  unlock(id: string, passphrase: string): Promise<UnlockResult>
  lock(id: string): void
  /** Whether it was ever seen as encrypted in this session, also if it is gone since then. */
  has(id: string): boolean
  /** A conversation that was read by `call`, as this device shows it: decrypted if unlocked. */
  reveal<Read extends Conversation>(conversation: Read): Promise<Read>
  /** The same for one message. */
  revealMessage(conversation_id: string, message: Message): Promise<Message>
}

export interface ConversationsTopic extends TopicView {
  list(state: ListState): ListView
  /** Reads the first or next page. Rejects with a Fault if the server can't be reached. */
  loadMore(state: ListState): Promise<void>
  /**
   * The conversation as far as it is known; in the trash with `deleted_at`. Undefined if it is
   * unknown or was purged.
   */
  get(id: string): ConversationView | undefined
  /**
   * Loads the newest messages and keeps them live until `close` was called as often as `open`.
   * Waits while offline and resolves with the window. Rejects with Fault `not_found`, or
   * `unavailable` if the engine stops. After a rejection, `close` is optional.
   */
  open(id: string): Promise<ConversationView>
  /** The windows of the 20 conversations that were closed last stay in memory. */
  close(id: string): void
  /**
   * Puts up to 100 older messages before the window. Rejects with a Fault if the server can't be
   * reached.
   */
  loadOlder(id: string): Promise<void>
  /**
   * Asks the server for conversations whose title or text contains `q`. With `match: 'words'`, they
   * contain every word of it, and `excerpts` has what was found in messages. The result isn't live.
   */
  search(
    q: string,
    options?: {
      state?: ListState
      match?: 'text' | 'words'
      cursor?: string
      limit?: number
      signal?: AbortSignal
    },
  ): Promise<{
    items: Summary[]
    next_cursor: string | null
    excerpts: { conversation_id: string; text: string }[]
  }>

  create(input?: NewConversation): IssuedCommand
  /** Undefined without the engine's option `encryption`. */
  readonly encrypted: EncryptedConversations | undefined
  update(id: string, fields: ConversationFields, options?: { if_version?: number }): IssuedCommand
  rename(id: string, title: string, options?: { if_version?: number }): IssuedCommand
  pin(id: string, pinned: boolean): IssuedCommand
  archive(id: string, archived: boolean): IssuedCommand
  append(id: string, message: MessageInput): IssuedCommand
  /**
   * With the `version` that the user saw, the edit of a message that has changed since fails with
   * `version_conflict`. Without it, the edit wins. A message whose `append` was refused is appended
   * again. Throws Fault `not_found` if the message is before the window.
   */
  edit(
    id: string,
    message_id: string,
    content: string,
    options?: { version?: number },
  ): IssuedCommand
  /** Deletes up to 500 messages. A rewind to a `seq` before brings them back. */
  deleteMessages(id: string, message_ids: string[]): IssuedCommand
  delete(id: string): IssuedCommand
  restore(id: string): IssuedCommand
  /**
   * Returns the conversation to its state at `seq`. Only the server knows that state, so the effect
   * shows when the change arrives.
   */
  rewind(id: string, seq: number): IssuedCommand
  purge(id: string): IssuedCommand
  /**
   * Starts an assistant's reply to the newest message, or another version of `replaces`. With a
   * `message_id`, the reply is that message; if it exists already, nothing is started.
   */
  reply(
    id: string,
    options?: { agent?: string; replaces?: string; message_id?: string },
  ): IssuedCommand
  /** Starts a reply that is another version of `message_id`. */
  regenerate(id: string, message_id: string, options?: { agent?: string }): IssuedCommand
  /** Stops the run that writes the reply `message_id`. */
  stop(id: string, message_id: string): IssuedCommand
}

export interface PreferencesTopic extends TopicView {
  readonly value: JsonObject
  readonly version: number
  /** Applies a merge patch (RFC 7396). */
  update(patch: JsonObject, options?: { if_version?: number }): IssuedCommand
}

/** What `DraftsFollower.write` takes: a draft that the server may not have yet. */
export interface WrittenDraft {
  readonly id: string
  readonly place: string
  readonly text: string
  /**
   * The conversation that the text is for, if `place` isn't its id: if that is encrypted, the draft
   * is too.
   */
  readonly conversation_id?: string
}

/** Texts that the user has typed and not sent, on whichever device. */
export interface DraftsFollower {
  /** True once they were read. */
  readonly loaded: boolean
  /** As the server has them, ordered by id. Those of locked conversations are left out. */
  readonly items: readonly Draft[]
  /**
   * Writes a draft. `base` is the draft as this device knows it; without one, the draft must be
   * new. Throws Fault: `version_conflict` or `not_found` if another device was first. `keepalive`
   * says that the page is about to close; the text may then have about 60 KB.
   */
  write(draft: WrittenDraft, base?: Draft, options?: { keepalive?: boolean }): Promise<Draft>
  /** Removes a draft as this device knows it. Throws Fault like `write`. */
  delete(draft: Draft): Promise<void>
  /** Follows the drafts from now on, and calls `listener` after each change. */
  subscribe(listener: () => void): () => void
}

export interface AccountTopic extends TopicView {
  readonly user: User | undefined
  readonly session: Session | undefined
  /** The sessions that have begun elsewhere since this engine started, newest first. */
  readonly newSignIns: readonly Session[]
  /** A number that changes with each change of the passkeys or of the second step. */
  readonly securityVersion: number
  /** The signed-in sessions, newest first. `online` is live. */
  readonly sessions: readonly ListedSession[]
  /**
   * The user's other open connections by `connection_id`. `viewing` is the conversation that the
   * device shows.
   */
  readonly presence: ReadonlyMap<string, Presence>
  /** Signs a session out. */
  revoke(session_id: string): IssuedCommand
  /**
   * Tells the other devices which conversation this one shows. The engine repeats it after each
   * reconnect.
   */
  viewing(conversation_id: string | null): void
}

/** A run. While it is running, `output` includes the text that the log doesn't have yet. */
export interface RunView extends Run {
  readonly delivery: Delivery
  readonly mutation_id?: string
}

/** A field that is left out matches every run. */
export interface RunFilter {
  readonly agent?: string
  readonly status?: RunStatus
}

export interface RunsView {
  /** Newest `started_at` first. */
  readonly items: readonly RunView[]
  /** The server may have older ones: `loadMore`. */
  readonly more: boolean
  readonly loading: boolean
  /** The first page is here. */
  readonly loaded: boolean
}

export interface AgentsTopic extends TopicView {
  readonly agents: readonly Agent[]
  /** All runs, as far as they are loaded. */
  readonly runs: RunsView
  /** The runs that match. They aren't loaded before `loadMore` was called with the same filter. */
  list(filter: RunFilter): RunsView
  get(run_id: string): RunView | undefined
  /**
   * Loads a run that isn't held. Rejects with Fault `not_found`, or `unavailable` if the engine
   * stops.
   */
  open(run_id: string): Promise<RunView>
  /**
   * Reads the next page of a list; without a filter, of all runs. Rejects with a Fault if the
   * server can't be reached.
   */
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

/** True for a run that won't change any more. */
export const isOver = (status: RunStatus): boolean => status !== 'queued' && status !== 'running'
