// Encrypted conversations on this device: their keys, the commands that write into them, and their
// drafts. Texts are encrypted before their command is in the outbox. If this device doesn't know a
// conversation, it loads the conversation before it sends texts there.
import type { Conversation, ConversationCommands } from '@lockstep/protocol/conversations'
import type { Encryption as Mark } from '@lockstep/protocol/encryption'
import { Fault } from '@lockstep/protocol/errors'
import { mergePatch } from '@lockstep/protocol/free-form'
import { newId } from '@lockstep/protocol/ids'
import type { Message, MessageInput } from '@lockstep/protocol/message'
import { isConversation } from '@lockstep/protocol/reduce/conversation'
import { conversationCommands } from '../conversation-commands.ts'
import type { ConversationState } from '../conversation-model.ts'
import type { CreateEncryption, EncryptionDeps, EncryptionHooks } from '../encryption-hooks.ts'
import type { OutgoingCommand } from '../outgoing-command.ts'
import type { TopicReplica } from '../topic-replica.ts'
import type {
  EncryptedConversations,
  IssuedCommand,
  NewConversation,
  OutboxItem,
  UnlockResult,
} from '../views.ts'
import { CommandQueue } from './command-queue.ts'
import { DraftTexts } from './draft-texts.ts'
import { encryptMessage } from './encrypted-message.ts'
import { KeyRing } from './key-ring.ts'
import { hasTexts, mustUnlock, withoutTexts } from './locked-texts.ts'

class Encryption implements EncryptionHooks, EncryptedConversations {
  readonly drafts: DraftTexts
  /**
   * A conversation that was ever seen as encrypted is treated as such, whatever the server says
   * later, so nothing of it leaves this device as plain text.
   */
  readonly #known = new Map<string, Mark>()
  readonly #topic: TopicReplica<ConversationState>
  readonly #keys: KeyRing
  readonly #queue: CommandQueue<ConversationState>

  constructor({ topic, changed, now }: EncryptionDeps) {
    this.#topic = topic
    this.#keys = new KeyRing({
      known: this.#known,
      changed,
      turned: (id) => this.drafts.keyTurned(id),
    })
    this.#queue = new CommandQueue({
      send: (command, id, mutation_id) => topic.send(command, id, mutation_id),
      changed: () => topic.notify(),
      now,
    })
    this.drafts = new DraftTexts(this.#keys, {
      isEncrypted: async (id) => {
        // The draft of a conversation that is gone stays where it is.
        await this.#loadUnknown(id).catch(ignoreMissing)
        return this.#isEncrypted(id) === true
      },
    })
  }

  get conversations(): EncryptedConversations {
    return this
  }
  /** The commands whose texts are being encrypted: the same list until it has changed. */
  get queued(): readonly OutboxItem[] {
    return this.#queue.items
  }

  /** The session ends. */
  end(): void {
    this.#known.clear()
    this.#keys.clear()
    this.#queue.clear()
    this.drafts.clear()
  }

  locked(id: string): true | undefined {
    return (this.#known.has(id) && !this.#keys.isUnlocked(id)) || undefined
  }
  async unlock(id: string, passphrase: string): Promise<UnlockResult> {
    await this.#loadUnknown(id)
    if (!this.#topic.view(id)) throw new Fault('not_found')
    return this.#isEncrypted(id) ? this.#keys.unlock(id, passphrase) : 'not_encrypted'
  }
  lock(id: string): void {
    this.#keys.lock(id)
  }
  has(id: string): boolean {
    return this.#known.has(id)
  }

  shown<Read extends Conversation>(conversation: Read): Read {
    this.#note(conversation)
    if (!this.#known.has(conversation.id)) return conversation
    return this.#keys.opened(conversation) ?? withoutTexts(conversation)
  }
  async reveal<Read extends Conversation>(conversation: Read): Promise<Read> {
    this.#note(conversation)
    await this.#keys.openAll(conversation)
    return this.shown(conversation)
  }
  revealMessage(conversation_id: string, message: Message): Promise<Message> {
    return this.#keys.revealMessage(conversation_id, message)
  }

  async create(
    { id = newId(), title, metadata = {}, messages = [] }: NewConversation,
    under: { passphrase: string } | { like: string },
  ): Promise<IssuedCommand> {
    const topic = this.#topic
    const { lifetime } = await topic.whenLoaded()
    const encryption = await this.#keys.create(topic.user_id!, id, under)
    const encrypted = []
    for (const message of messages) {
      const named = { ...message, id: message.id ?? newId() }
      encrypted.push(await encryptMessage(this.#keys, id, named))
    }
    const payload = {
      ...{ id, encryption, messages: encrypted },
      metadata: await this.#keys.encryptMetadata(id, id, metadata),
      ...(title !== undefined && { title: await this.#keys.encrypt(id, id, 'title', title) }),
    }
    if (lifetime.ended) throw new Fault('unavailable', { detail: 'Nobody is signed in' })
    return topic.send(conversationCommands.create(payload))
  }

  send(
    command: OutgoingCommand<ConversationState>,
    subject = command.entity_id,
    mutation_id = newId(),
  ): IssuedCommand {
    const { name, entity_id, message_ids } = command
    const isSafe = !hasTexts(command) || this.#isEncrypted(entity_id) === false
    if (isSafe && !this.#queue.has(entity_id))
      return this.#topic.send(command, subject, mutation_id)
    if (!isSafe && this.locked(entity_id)) throw mustUnlock()
    return this.#queue.add({
      ...{ name, entity_id, id: subject, message_ids, mutation_id },
      prepare: async () => {
        if (!hasTexts(command)) return command
        await this.#loadUnknown(entity_id)
        return this.#isEncrypted(entity_id) ? this.#encrypted(command) : command
      },
    })
  }

  #note({ id, encryption }: Pick<Conversation, 'id' | 'encryption'>): void {
    if (encryption && !this.#known.has(id)) this.#known.set(id, encryption)
  }

  /** Undefined: this device doesn't know the conversation. */
  #isEncrypted(id: string): boolean | undefined {
    const held = this.#topic.view(id)
    if (held && isConversation(held)) this.#note(held)
    return this.#known.has(id) || (held || !this.#topic.entities ? false : undefined)
  }

  async #loadUnknown(id: string): Promise<void> {
    if (this.#isEncrypted(id) !== undefined) return
    const { entities, lifetime } = await this.#topic.whenLoaded()
    if (this.#isEncrypted(id) === undefined) await lifetime.race(entities.load(id))
  }

  /** The command with encrypted texts. It is one of those that `hasTexts` names. */
  async #encrypted({ name, payload, entity_id: id }: OutgoingCommand<ConversationState>) {
    if (name === 'append') {
      // Assertion: `conversationCommands` made it.
      const { message } = payload as { message: MessageInput & { id: string } }
      const encrypted = await encryptMessage(this.#keys, id, message)
      return conversationCommands.append({ conversation_id: id, message: encrypted })
    }
    // Assertion: so is this one.
    const update = { ...(payload as ConversationCommands['update']) }
    const { title, metadata, messages } = update
    if (title !== undefined) update.title = await this.#keys.encrypt(id, id, 'title', title)
    if (metadata) {
      const merged = mergePatch(await this.#metadataOf(id), metadata)
      update.metadata = await this.#keys.encryptMetadata(id, id, merged)
    }
    if (messages) {
      update.messages = []
      for (const message of messages) {
        const present = await this.#present(id, message.id!)
        const edited = { ...message, id: message.id! }
        update.messages.push(await encryptMessage(this.#keys, id, edited, present))
      }
    }
    return conversationCommands.update(update)
  }

  /** A message after the pending commands, decrypted. Undefined: it isn't loaded. */
  async #present(id: string, message_id: string): Promise<Message | undefined> {
    const held = this.#topic.view(id)
    const messages = held && isConversation(held) ? held.messages : []
    const message = messages.find((one) => one.id === message_id)
    return message && this.revealMessage(id, message)
  }

  /** The conversation's metadata after its pending commands, decrypted. */
  async #metadataOf(id: string) {
    const held = this.#topic.view(id)
    if (!held || !isConversation(held)) return {}
    return (await this.reveal({ ...held, messages: [] })).metadata
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Fault) || error.code !== 'not_found') throw error
}

/** The engine's option `encryption`: conversations whose keys only their clients have. */
export const passphraseEncryption: CreateEncryption = (deps) => new Encryption(deps)
