// The keys of the conversations that are unlocked on this device, and the texts that they have
// opened: in memory only, until the conversation is locked or the session ends.
import type { Conversation } from '@lockstep/protocol/conversations'
import { DEFAULT_TITLE } from '@lockstep/protocol/decide/conversations'
import { encryptedPartsOf } from '@lockstep/protocol/encrypted-parts'
import { ENCRYPTED_METADATA, isEncryptedText } from '@lockstep/protocol/encrypted-text'
import type { Encryption } from '@lockstep/protocol/encryption'
import { Fault } from '@lockstep/protocol/errors'
import type { JsonObject } from '@lockstep/protocol/free-form'
import type { Message } from '@lockstep/protocol/message'
import type { UnlockResult } from '../views.ts'
import { canEncrypt, cannotEncrypt } from './can-encrypt.ts'
import { composed, readParts } from './encrypted-message.ts'
import { LOCKED_TITLE, mustUnlock, withoutText } from './locked-texts.ts'
import type { OpenedKey, TextField } from './passphrase-crypto.ts'

/** A message as this device shows it. */
interface ShownMessage extends Message {
  /** The text doesn't open with the conversation's key: it isn't from somebody who has it. */
  readonly unreadable?: true
}

/** How many texts of one place are kept: the confirmed one and those of pending commands. */
const TEXTS_PER_PLACE = 4

interface Unlocked {
  encryption: Encryption
  opened: OpenedKey
  /** By subject and field: plain texts by encrypted ones. Null: it doesn't open. */
  texts: Map<string, Map<string, string | null>>
  shown: WeakMap<Message, ShownMessage>
}

const loadCrypto = () => import('./passphrase-crypto.ts')

export interface KeyRingDeps {
  /** How each encrypted conversation is encrypted. */
  known: Map<string, Encryption>
  /** What is shown of the conversation may have changed. */
  changed(conversation_id: string): void
  /** The conversation was locked or unlocked. */
  turned(conversation_id: string): void
}

export class KeyRing {
  readonly #deps: KeyRingDeps
  readonly #unlocked = new Map<string, Unlocked>()
  /** Rises whenever everything is forgotten. */
  #generation = 0

  constructor(deps: KeyRingDeps) {
    this.#deps = deps
  }

  /** Forgets everything. */
  clear(): void {
    this.#generation++
    this.#unlocked.clear()
  }

  isUnlocked(id: string): boolean {
    return this.#unlocked.has(id)
  }

  async unlock(id: string, passphrase: string): Promise<UnlockResult> {
    const encryption = this.#deps.known.get(id)
    if (!encryption) return 'not_encrypted'
    if (!canEncrypt()) return 'insecure'
    const { openEncryption } = await loadCrypto()
    const opened = await openEncryption(encryption, id, passphrase)
    // The session may have ended meanwhile.
    if (!opened || this.#deps.known.get(id) !== encryption) return 'wrong_passphrase'
    this.#hold(id, encryption, opened)
    return 'unlocked'
  }

  lock(id: string): void {
    if (this.#unlocked.delete(id)) this.#turned(id)
  }

  /** A key for a new conversation, under a passphrase or under that of an unlocked one. */
  async create(
    owner: string,
    id: string,
    under: { passphrase: string } | { like: string },
  ): Promise<Encryption> {
    if (!canEncrypt()) throw cannotEncrypt()
    const like = 'like' in under ? this.#unlocked.get(under.like) : undefined
    if ('like' in under && !like) throw mustUnlock()
    const generation = this.#generation
    const { createEncryption, createEncryptionLike } = await loadCrypto()
    const { encryption, opened } =
      'passphrase' in under
        ? await createEncryption(owner, id, under.passphrase)
        : await createEncryptionLike(like!.opened, owner, id)
    if (this.#generation !== generation) throw new Fault('unavailable')
    this.#hold(id, encryption, opened)
    return encryption
  }

  async encrypt(id: string, subject: string, field: TextField, text: string): Promise<string> {
    const unlocked = this.#unlocked.get(id)
    if (!unlocked) throw mustUnlock()
    const { encryptText } = await loadCrypto()
    const encrypted = await encryptText(
      unlocked.opened,
      placeOf(unlocked, id, subject, field),
      text,
    )
    if (field !== 'draft') remember(unlocked, subject, field, encrypted, text)
    return encrypted
  }

  /** A draft's text, whichever unlocked conversation it belongs to. */
  async decryptDraft(
    draft_id: string,
    text: string,
  ): Promise<{ conversation_id: string; plain: string } | undefined> {
    const { decryptText } = await loadCrypto()
    for (const [conversation_id, unlocked] of [...this.#unlocked]) {
      const place = placeOf(unlocked, conversation_id, draft_id, 'draft')
      const plain = await decryptText(unlocked.opened, place, text)
      if (plain !== undefined) return { conversation_id, plain }
    }
    return undefined
  }

  /** This metadata in its encrypted form. */
  async encryptMetadata(id: string, subject: string, metadata: JsonObject): Promise<JsonObject> {
    if (Object.keys(metadata).length === 0) return {}
    const text = JSON.stringify(metadata)
    return { [ENCRYPTED_METADATA]: await this.encrypt(id, subject, 'metadata', text) }
  }

  /**
   * The conversation with decrypted texts; those that aren't decrypted yet follow. Undefined: it is
   * locked.
   */
  opened<Read extends Conversation>(conversation: Read): Read | undefined {
    const { id, title, metadata } = conversation
    const unlocked = this.#unlocked.get(id)
    if (!unlocked) return undefined
    const known = title === DEFAULT_TITLE ? title : this.#look(unlocked, id, id, 'title', title)
    return {
      ...conversation,
      preview: '',
      title: known ?? LOCKED_TITLE,
      metadata: this.#metadata(unlocked, id, id, metadata),
      messages: conversation.messages.map((message) => this.#message(unlocked, id, message)),
    }
  }

  /** Opens all texts of a conversation, so that `opened` has them. */
  async openAll({ id, title, metadata, messages }: Conversation): Promise<void> {
    const unlocked = this.#unlocked.get(id)
    if (!unlocked) return
    await this.#openAll(unlocked, id, id, { title, ...metadata })
    for (const message of messages) await this.revealMessage(id, message)
  }

  async revealMessage(id: string, message: Message): Promise<Message> {
    const unlocked = this.#unlocked.get(id)
    if (!unlocked) return this.#deps.known.has(id) ? withoutText(message) : message
    const { content, metadata } = message
    await this.#openAll(unlocked, id, message.id, { content, ...metadata })
    const parts = encryptedPartsOf(message)
    if (parts !== undefined && this.#found(unlocked, message.id, 'parts', parts) === undefined)
      await this.#open(unlocked, id, message.id, 'parts', parts)
    return this.#message(unlocked, id, message)
  }

  #hold(id: string, encryption: Encryption, opened: OpenedKey): void {
    this.#deps.known.set(id, encryption)
    this.#unlocked.set(id, { encryption, opened, texts: new Map(), shown: new WeakMap() })
    this.#turned(id)
  }

  #turned(id: string): void {
    this.#deps.changed(id)
    this.#deps.turned(id)
  }

  #message(unlocked: Unlocked, id: string, message: Message): ShownMessage {
    const known = unlocked.shown.get(message)
    if (known) return known
    const content = this.#look(unlocked, id, message.id, 'content', message.content)
    const metadata = this.#metadata(unlocked, id, message.id, message.metadata)
    const list = this.#parts(unlocked, id, message)
    const parts = list && readParts(list)
    const isUnreadable = content === null || list === null || (list && !parts)
    const texts = { content: content ?? '', metadata }
    const shown = {
      ...withoutText(message),
      ...(typeof content === 'string' && parts ? composed(texts, parts) : texts),
      ...(isUnreadable && { unreadable: true as const }),
    }
    const isWhole = Object.values(message.metadata).every(
      (text) => this.#found(unlocked, message.id, 'metadata', text) !== undefined,
    )
    if (content !== undefined && list !== undefined && isWhole) unlocked.shown.set(message, shown)
    return shown
  }

  /** The JSON of the message's parts, empty if it has none; otherwise as `#look`. */
  #parts(unlocked: Unlocked, id: string, message: Message): string | null | undefined {
    if (!message.parts) return ''
    const text = encryptedPartsOf(message)
    return text === undefined ? null : this.#look(unlocked, id, message.id, 'parts', text)
  }

  #metadata(unlocked: Unlocked, id: string, subject: string, metadata: JsonObject): JsonObject {
    const { [ENCRYPTED_METADATA]: text } = metadata
    if (typeof text !== 'string') return {}
    const json = this.#look(unlocked, id, subject, 'metadata', text)
    // Assertion: somebody who has the key has made it, from an object.
    return json ? (JSON.parse(json) as JsonObject) : {}
  }

  #found(unlocked: Unlocked, subject: string, field: TextField, text: unknown) {
    if (!isEncryptedText(text)) return null
    return unlocked.texts.get(`${subject} ${field}`)?.get(text)
  }

  /** The decrypted text. Null: it doesn't open. Undefined: it will be known in a moment. */
  #look(
    unlocked: Unlocked,
    id: string,
    subject: string,
    field: TextField,
    text: string,
  ): string | null | undefined {
    const found = this.#found(unlocked, subject, field, text)
    if (found === undefined)
      void this.#open(unlocked, id, subject, field, text).then(() => this.#deps.changed(id))
    return found
  }

  async #open(
    unlocked: Unlocked,
    id: string,
    subject: string,
    field: TextField,
    text: string,
  ): Promise<void> {
    const { decryptText } = await loadCrypto()
    const plain = await decryptText(unlocked.opened, placeOf(unlocked, id, subject, field), text)
    remember(unlocked, subject, field, text, plain ?? null)
  }

  async #openAll(unlocked: Unlocked, id: string, subject: string, texts: JsonObject) {
    for (const [name, text] of Object.entries(texts)) {
      const field = name === 'title' || name === 'content' ? name : 'metadata'
      if (isEncryptedText(text) && this.#found(unlocked, subject, field, text) === undefined)
        await this.#open(unlocked, id, subject, field, text)
    }
  }
}

const placeOf = (
  { encryption: { owner } }: Unlocked,
  conversation_id: string,
  subject: string,
  field: TextField,
) => ({ owner, conversation_id, subject, field })

function remember(
  { texts }: Unlocked,
  subject: string,
  field: TextField,
  encrypted: string,
  plain: string | null,
): void {
  const place = `${subject} ${field}`
  const kept = texts.get(place) ?? new Map<string, string | null>()
  texts.set(place, kept)
  kept.set(encrypted, plain)
  for (const oldest of kept.keys()) {
    if (kept.size <= TEXTS_PER_PLACE) break
    kept.delete(oldest)
  }
}
