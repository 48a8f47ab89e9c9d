// Encrypts and decrypts the texts of drafts that belong to encrypted conversations.
import type { Draft } from '@lockstep/protocol/drafts'
import { isEncryptedText } from '@lockstep/protocol/encrypted-text'
import type { WrittenDraft } from '../views.ts'
import { isId } from '@lockstep/protocol/ids'
import type { EncryptionHooks } from '../encryption-hooks.ts'
import type { KeyRing } from './key-ring.ts'

interface Opened {
  /** The text as the server has it. */
  stored: string
  /** As it was shown last, perhaps with an earlier text. Undefined: it can't be opened. */
  shown?: Draft
  /** The conversation whose key opened it. */
  conversation_id?: string
}

type Drafts = EncryptionHooks['drafts']

interface DraftTextsDeps {
  /** Loads a conversation that this device doesn't know. */
  isEncrypted(conversation_id: string): Promise<boolean>
}

export class DraftTexts implements Drafts {
  readonly #keys: KeyRing
  readonly #opened = new Map<string, Opened>()
  readonly #deps: DraftTextsDeps
  #changed = () => {}

  constructor(keys: KeyRing, deps: DraftTextsDeps) {
    this.#keys = keys
    this.#deps = deps
  }

  onChange(changed: () => void): void {
    this.#changed = changed
  }

  /** A conversation was unlocked or locked. */
  keyTurned(conversation_id: string): void {
    for (const [id, opened] of this.#opened)
      if (!opened.shown || opened.conversation_id === conversation_id) this.#opened.delete(id)
    this.#changed()
  }

  clear(): void {
    this.#opened.clear()
  }

  /**
   * The drafts as this device shows them. An encrypted text follows as soon as it is open, and the
   * earlier one stays until then.
   */
  shown(drafts: readonly Draft[]): Draft[] {
    return drafts.flatMap((draft) => {
      if (!isEncryptedText(draft.text)) return draft
      const known = this.#opened.get(draft.id)
      if (known?.stored !== draft.text) void this.#open(draft, known)
      return this.#opened.get(draft.id)?.shown ?? []
    })
  }

  async #open(draft: Draft, earlier: Opened | undefined): Promise<void> {
    const { id, text: stored } = draft
    const opening: Opened = { ...earlier, stored }
    this.#opened.set(id, opening)
    const found = await this.#keys.decryptDraft(id, stored)
    if (this.#opened.get(id) !== opening) return
    const { conversation_id, plain } = found ?? {}
    const shown = plain === undefined ? undefined : { ...draft, text: plain }
    this.#opened.set(id, { stored, shown, conversation_id })
    this.#changed()
  }

  /**
   * The encrypted text; undefined if the draft's conversation isn't encrypted. Throws Fault while
   * the conversation is locked.
   */
  async encrypted(draft: WrittenDraft): Promise<string | undefined> {
    const id = draft.conversation_id ?? draft.place
    if (!isId(id) || !(await this.#deps.isEncrypted(id))) return undefined
    return this.#keys.encrypt(id, draft.id, 'draft', draft.text)
  }

  /** The server has the draft with this encrypted text. */
  written(draft: Draft, stored: string, { place, conversation_id = place }: WrittenDraft): void {
    this.#opened.set(draft.id, { stored, shown: draft, conversation_id })
  }

  async plain({ id, text }: Draft): Promise<string | undefined> {
    return isEncryptedText(text) ? (await this.#keys.decryptDraft(id, text))?.plain : text
  }
}
