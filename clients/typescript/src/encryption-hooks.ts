// What the engine asks of encrypted conversations. Who makes them is an option of the engine
// (`encryption/encryption.ts`), so that a program that has none doesn't load their code.
import type { Conversation } from '@lockstep/protocol/conversations'
import type { Draft } from '@lockstep/protocol/drafts'
import type { ConversationState } from './conversation-model.ts'
import type { OutgoingCommand } from './outgoing-command.ts'
import type { TopicReplica } from './topic-replica.ts'
import type { EncryptedConversations, IssuedCommand, OutboxItem, WrittenDraft } from './views.ts'

export interface EncryptionHooks {
  /** What programs call. */
  readonly conversations: EncryptedConversations
  /** The commands whose texts are being encrypted: the same list until it has changed. */
  readonly queued: readonly OutboxItem[]
  readonly drafts: {
    /** The drafts as this device shows them, without those that it can't open. */
    shown(drafts: readonly Draft[]): Draft[]
    /**
     * The encrypted text of a draft; undefined if its conversation isn't encrypted. Throws Fault
     * while the conversation is locked.
     */
    encrypted(draft: WrittenDraft): Promise<string | undefined>
    /** The server has the draft with this encrypted text. */
    written(draft: Draft, stored: string, input: WrittenDraft): void
    plain(draft: Draft): Promise<string | undefined>
    /** @param changed called when `shown` may return something else */
    onChange(changed: () => void): void
  }
  /** Encrypts the texts of a command if its conversation is encrypted, and then sends it. */
  send(
    command: OutgoingCommand<ConversationState>,
    subject?: string,
    mutation_id?: string,
  ): IssuedCommand
  /** The conversation as this device shows it. */
  shown<Read extends Conversation>(conversation: Read): Read
  /** Undefined: it isn't encrypted, or its key is here. */
  locked(conversation_id: string): true | undefined
  /** The session ends: forgets everything. */
  end(): void
}

export interface EncryptionDeps {
  topic: TopicReplica<ConversationState>
  /** What is shown of the conversation may have changed. */
  changed(conversation_id: string): void
  now(): number
}

/** An option of the engine. */
export type CreateEncryption = (deps: EncryptionDeps) => EncryptionHooks
