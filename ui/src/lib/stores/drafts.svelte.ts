// The fields whose text is kept as drafts, as runes. A field lives as long as the page, so what was
// typed is there again when the person returns to it, also without a connection.
import { createSubscriber } from 'svelte/reactivity'
import type { IssuedCommand } from '@lockstep/client'
import type { Draft } from '@lockstep/protocol/drafts'
import { newId } from '@lockstep/protocol/ids'
import { byteLength } from '@lockstep/protocol/text'
import { notify } from '../components/overlays/overlays.svelte.ts'
import { t } from '../texts.ts'
import { DraftField } from './draft-field.ts'
import { engine } from './engine.ts'
import { preferences } from './preferences.svelte.ts'

/** The most bytes, of all fields together, that a browser lets a closing page send. */
const maxLastBytes = 60_000

/**
 * For `take`: resolves with true once the server has done the command or the person has discarded
 * it, and with false if it was refused.
 */
export async function whenDone({ outcome }: IssuedCommand): Promise<boolean> {
  const end = await outcome
  return end.ok || end.reason === 'discarded'
}

/** A field's text that follows the drafts of its place. */
export class DraftText {
  readonly #field: DraftField
  readonly #track: () => void

  constructor(field: DraftField, subscribe: (update: () => void) => () => void) {
    this.#field = field
    this.#track = createSubscriber(subscribe)
  }

  get text(): string {
    this.#track()
    return this.#field.text
  }
  /** The person has changed the text. */
  set text(text: string) {
    this.#field.type(text)
  }
  /** What other devices wrote at the same place, newest first. */
  get others(): readonly Draft[] {
    this.#track()
    return this.#field.others
  }
  set focused(focused: boolean) {
    this.#field.focused = focused
  }

  /** See `DraftField.take`. */
  take(isKept: Promise<boolean>): string {
    return this.#field.take(isKept)
  }
  swap(other: Draft): void {
    void this.#field.swap(other)
  }
  append(other: Draft, join?: (text: string, other: string) => string): void {
    void this.#field.append(other, join)
  }
  discard(other: Draft): void {
    void this.#field.discard(other)
  }
  /** Discards the text, and what other devices wrote at the same place. */
  discardAll(): void {
    this.text = ''
    for (const other of this.others) this.discard(other)
  }
}

const track = createSubscriber((update) => engine.drafts.subscribe(update))

class Drafts {
  readonly #fields = new Map<string, { field: DraftField; view: DraftText }>()

  #isMoving = false

  constructor() {
    engine.drafts.subscribe(() => this.#follow())
    engine.preferences.subscribe(() => void this.#moveOldDrafts())
  }

  /**
   * The field at a place; the same one each time.
   * @param conversation_id the chat that the text is for: if that is encrypted, the draft is too
   */
  at(place: string, conversation_id?: string): DraftText {
    let known = this.#fields.get(place)
    if (!known) this.#fields.set(place, (known = this.#create(place, conversation_id)))
    return known.view
  }

  /** The place of a draft that the server has. Reactive. */
  placeStartingWith(start: string): string | undefined {
    track()
    return engine.drafts.items.find(({ place }) => place.startsWith(start))?.place
  }

  /** Adds a text to the field at a place. */
  add(place: string, text: string): void {
    const draft = this.at(place)
    draft.text = [draft.text, text].filter(Boolean).join('\n\n')
  }

  /** Whether something would be lost if the page were closed now. */
  get wouldLose(): boolean {
    for (const { field } of this.#fields.values()) if (field.isCutOff) return true
    const unsaved = this.#unsaved()
    if (unsaved.length === 0) return false
    const isConnected = engine.connection === 'live' || engine.connection === 'polling'
    if (!isConnected || !navigator.onLine) return true
    return unsaved.reduce((sum, { text }) => sum + byteLength(text), 0) > maxLastBytes
  }

  /** Resolves when the server has everything, or can't have it now. */
  async save(): Promise<void> {
    await Promise.all(this.#unsaved().map((field) => field.save()))
  }

  /** Must be called when the page closes. */
  flush(): void {
    for (const field of this.#unsaved()) field.flush()
  }

  #unsaved(): DraftField[] {
    return Array.from(this.#fields.values(), ({ field }) => field).filter(
      ({ isUnsaved }) => isUnsaved,
    )
  }

  /** Earlier versions kept drafts in the preferences. */
  async #moveOldDrafts(): Promise<void> {
    if (this.#isMoving || !engine.preferences.settled) return
    if (Object.keys(preferences.oldDrafts).length === 0) return
    this.#isMoving = true
    await import('./old-drafts.ts')
      .then(({ moveOldDrafts }) => moveOldDrafts())
      .catch(() => undefined)
    this.#isMoving = false
  }

  #follow(): void {
    for (const { field } of this.#fields.values()) field.follow()
  }

  #create(place: string, conversation_id = place) {
    const listeners = new Set<() => void>()
    const field = new DraftField(place, {
      drafts: () => engine.drafts.items.filter((draft) => draft.place === place),
      write: (draft, base, keepalive) =>
        engine.drafts.write({ ...draft, conversation_id }, base, { keepalive }),
      delete: (draft) => engine.drafts.delete(draft),
      isEncrypted: () => engine.conversations.encrypted?.has(conversation_id) ?? false,
      changed: () => listeners.forEach((update) => update()),
      refused: (fault) =>
        void import('../fault-texts.ts')
          .then(
            ({ explainFault }) => explainFault(fault),
            () => t('faults.refused'),
          )
          .then((reason) => notify(t('composer.draftRefused', { reason }), { kind: 'error' })),
      newId: () => newId(),
      now: () => performance.now(),
      setTimeout: (callback, ms) => setTimeout(callback, ms),
      // It comes from the line above.
      clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
    })
    const view = new DraftText(field, (update) => {
      listeners.add(update)
      return () => listeners.delete(update)
    })
    return { field, view }
  }
}

export const drafts = new Drafts()
