// The text of one field that is kept as a draft, in step with the user's other devices.
//
// The invariant: what was typed is in the field, in a draft on the server, or both. Each write
// names the version that it continues. If another device was first, the text here becomes a draft
// of its own at the same place, and the field shows one of them and offers the others.
//
//   typed ──pause──► saving ──► base (the draft that the field continues)
//                      │ version_conflict, or the draft is gone
//                      └────► a draft of its own
import { Fault, isRetryable, type WrittenDraft } from '@lockstep/client'
import type { Draft } from '@lockstep/protocol/drafts'

/** A draft is saved when nothing has been typed for this long, and while typing after this long. */
const pauseMs = 300
const longestMs = 2_000
/** This many new characters at once, as from the clipboard, are saved without a pause. */
const pastedLength = 2_000
/** How long a field counts as being written in after its last character, while it has the focus. */
const writingMs = 30_000
const retryMs = 2_000

export interface DraftFieldDeps {
  /** The drafts at the field's place as the server has them. */
  drafts(): readonly Draft[]
  write(draft: WrittenDraft, base: Draft | undefined, keepalive?: boolean): Promise<Draft>
  delete(draft: Draft): Promise<void>
  changed(): void
  /** The server doesn't take this text, and won't. */
  refused(fault: Fault): void
  /** Whether the text is encrypted before it leaves, which a closing page has no time for. */
  isEncrypted?(): boolean
  newId(): string
  /** Milliseconds. */
  now(): number
  setTimeout(callback: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
}

export class DraftField {
  readonly #place: string
  readonly #deps: DraftFieldDeps
  #text = ''
  #base: Draft | undefined
  /** The id under which the text is written while it has no base. */
  #ownId: string | undefined
  /** A write whose outcome nobody knows. */
  #attempted: string | undefined
  /** Drafts whose text has been sent, until the server has the message. */
  readonly #sent = new Set<string>()
  /** How many texts were taken that are in no draft, and that the server may not have yet. */
  #taken = 0
  #others: readonly Draft[] = []
  #isFocused = false
  #typedAt = -Infinity
  #unsavedSince: number | undefined
  /** Rises whenever the field leaves its draft. */
  #generation = 0
  /**
   * The saving that is under way. It resolves when the server has everything or can't be reached.
   */
  #saving: Promise<void> | undefined
  /**
   * The draft that the write under way makes. Its id is among `#sent` if the text has been taken.
   */
  #writing: { id: string; written: Promise<Draft | undefined> } | undefined
  #isRefused = false
  /** The last attempt to save hasn't reached the server. */
  #isCutOff = false
  #timer: unknown

  constructor(place: string, deps: DraftFieldDeps) {
    this.#place = place
    this.#deps = deps
    this.follow()
  }

  get text(): string {
    return this.#text
  }

  /** Other drafts at the same place, newest first. */
  get others(): readonly Draft[] {
    return this.#others
  }

  /** Whether the server doesn't have all of the text yet. */
  get isUnsaved(): boolean {
    return this.#text !== (this.#base?.text ?? '')
  }

  /** Whether closing the page now would lose text, as far as the last attempt to save tells. */
  get isCutOff(): boolean {
    const isUnsafe = this.#isCutOff || this.#deps.isEncrypted?.() === true
    return this.#taken > 0 || (this.isUnsaved && isUnsafe)
  }

  set focused(focused: boolean) {
    this.#isFocused = focused
  }

  /** The person has changed the text. */
  type(text: string): void {
    if (text === this.#text) return
    const isPasted = text.length > this.#text.length + pastedLength
    this.#typedAt = this.#deps.now()
    this.#unsavedSince ??= this.#typedAt
    this.#isRefused = false
    this.#show(text)
    if (isPasted) void this.save()
    else this.#schedule(Math.min(pauseMs, this.#unsavedSince + longestMs - this.#typedAt))
  }

  /**
   * Takes the text out of the field. Its draft goes once `isKept` resolves with true: the server
   * has the text by another way. Until then the draft stays, but nothing here shows it. If
   * `isKept` resolves with false, the field has the text again.
   */
  take(isKept: Promise<boolean>): string {
    const text = this.#text
    const base = this.#base
    const { id = base?.id, written } = this.#writing ?? {}
    this.#forgetBase()
    this.#unsavedSince = undefined
    this.#cancelTimer()
    this.#show('')
    if (id !== undefined) this.#sent.add(id)
    const unsaved = Number(text !== '' && id === undefined)
    this.#taken += unsaved
    void Promise.all([isKept, written]).then(([kept, draft = base]) => {
      this.#taken -= unsaved
      if (!kept) void this.#putBack(text, draft)
      else if (draft) void this.#remove(draft)
    })
    this.follow()
    return text
  }

  /** The server's drafts have changed. */
  follow(): void {
    if (this.#saving) return // the end of the saving calls this again
    const drafts = this.#deps
      .drafts()
      .filter(({ id }) => !this.#sent.has(id))
      .sort((a, b) => (a.updated_at < b.updated_at ? 1 : -1))
    this.#followBase(drafts)
    if (!this.#base && this.#text === '' && drafts[0]) this.#continue(drafts[0])
    if (this.isUnsaved && this.#timer === undefined && !this.#isRefused) this.#schedule(pauseMs)
    this.#others = drafts.filter(({ id }) => id !== this.#base?.id)
    if (!this.isUnsaved) for (const other of this.#others) this.#dropIfContained(other)
    this.#deps.changed()
  }

  /** Shows another draft of this place. The present text stays a draft. */
  async swap(other: Draft): Promise<void> {
    if (this.isUnsaved) await this.save()
    if (this.isUnsaved) return
    this.#typedAt = -Infinity
    this.#continue(other)
    this.follow()
  }

  /** Adds another draft to the present text. */
  async append(other: Draft, join = joinParagraphs): Promise<void> {
    this.type(join(this.#text, other.text))
    await this.save()
    if (!this.isUnsaved) await this.#remove(other)
  }

  async discard(other: Draft): Promise<void> {
    await this.#remove(other)
  }

  /**
   * Saves what isn't saved yet. Resolves when the server has it, or when that isn't possible now,
   * also if another call has begun it.
   */
  async save(): Promise<void> {
    this.#cancelTimer()
    if (this.#saving === undefined && (!this.isUnsaved || this.#isRefused)) return
    this.#saving ??= this.#saveAll()
    await this.#saving
  }

  async #saveAll(): Promise<void> {
    let failure: Fault | undefined
    do failure = await this.#saveOnce()
    while (!failure && this.isUnsaved)
    this.#saving = undefined
    this.#isCutOff = failure !== undefined
    if (!failure) this.#unsavedSince = undefined
    else if (isRetryable(failure)) this.#schedule(retryMs)
    else {
      this.#isRefused = true
      this.#deps.refused(failure)
    }
    this.follow()
  }

  /** The page is about to close: sends what isn't saved, without waiting. */
  flush(): void {
    if (!this.isUnsaved) return
    const text = this.#text
    // The outcome of a write under way isn't known: this one must not depend on it.
    const base = this.#saving ? undefined : this.#base
    if (text === '' && base) return void this.#deps.delete(base).catch(ignore)
    if (text === '') return
    const id = this.#saving ? this.#deps.newId() : this.#idToWrite()
    const generation = this.#generation
    this.#deps.write({ id, place: this.#place, text }, base, true).then((draft) => {
      // The page has stayed after all.
      if (this.#saving === undefined && this.#generation === generation) this.#base = draft
      this.follow()
    }, ignore)
  }

  #followBase(drafts: readonly Draft[]): void {
    const base = this.#base
    if (!base) return
    const own = drafts.find(({ id }) => id === base.id)
    if (own && own.version <= base.version) return
    const isUntouched = this.#text === base.text
    if (!own) {
      // It was sent or discarded elsewhere. What was typed since then is a draft of its own.
      this.#forgetBase()
      if (isUntouched) this.#show('')
    } else if (isUntouched && (!this.#isWriting || isSubsequence(this.#text, own.text)))
      this.#continue(own)
    else this.#forgetBase()
  }

  get #isWriting(): boolean {
    return this.#isFocused && this.#deps.now() - this.#typedAt < writingMs
  }

  /** Two devices mustn't each drop the draft that the other one shows. */
  #dropIfContained(other: Draft): void {
    const base = this.#base
    if (!base?.text.startsWith(other.text)) return
    if (other.text.length < base.text.length || other.id < base.id) void this.#remove(other)
  }

  /** Undefined: the server has the text that was in the field at the beginning. */
  async #saveOnce(): Promise<Fault | undefined> {
    const text = this.#text
    const base = this.#base
    const generation = this.#generation
    const isLeft = () => this.#generation !== generation
    try {
      if (text === '' && base) {
        await this.#deps.delete(base)
        if (!isLeft()) this.#forgetBase()
      } else if (text !== '') {
        const id = this.#idToWrite()
        const written = this.#deps.write({ id, place: this.#place, text }, base)
        this.#writing = { id, written: written.catch(ignore) }
        const draft = await written
        if (isLeft()) return undefined
        this.#base = draft
        this.#attempted = undefined
      }
      return undefined
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      if (isLeft()) return undefined
      if (error.code !== 'version_conflict' && error.code !== 'not_found') {
        if (isRetryable(error) && text !== '') this.#attempted = text
        return error
      }
      const id = this.#idToWrite()
      const current = this.#deps.drafts().find((draft) => draft.id === id)
      // An earlier attempt from here was made, and its response was lost.
      if (current && current.text === this.#attempted) this.#base = current
      else this.#forgetBase()
      this.#attempted = undefined
      return undefined
    } finally {
      this.#writing = undefined
    }
  }

  #idToWrite(): string {
    return this.#base?.id ?? (this.#ownId ??= this.#deps.newId())
  }

  #continue(draft: Draft): void {
    this.#forgetBase()
    this.#base = draft
    this.#show(draft.text)
  }

  #forgetBase(): void {
    this.#generation++
    this.#base = undefined
    this.#ownId = undefined
  }

  #show(text: string): void {
    this.#text = text
    this.#deps.changed()
  }

  /** @param draft what the server has of the text */
  async #putBack(text: string, draft: Draft | undefined): Promise<void> {
    if (draft) this.#sent.delete(draft.id)
    if (this.#text === '') {
      if (draft) this.#continue(draft)
      this.type(text)
    } else if (text !== '' && text !== draft?.text) {
      // Something else was typed meanwhile: the text is offered beside it.
      const id = draft?.id ?? this.#deps.newId()
      await this.#deps.write({ id, place: this.#place, text }, draft).catch(ignore)
    }
    this.follow()
  }

  async #remove(draft: Draft): Promise<void> {
    try {
      await this.#deps.delete(draft)
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      // It has been changed meanwhile, so it stays; or it is tried again with the next change.
    }
    this.#sent.delete(draft.id)
    this.follow()
  }

  #schedule(ms: number): void {
    this.#cancelTimer()
    this.#timer = this.#deps.setTimeout(() => void this.save(), Math.max(0, ms))
  }

  #cancelTimer(): void {
    if (this.#timer !== undefined) this.#deps.clearTimeout(this.#timer)
    this.#timer = undefined
  }
}

const ignore = () => undefined

const joinParagraphs = (text: string, other: string): string =>
  [text, other].filter(Boolean).join('\n\n')

/** Whether all characters of `part` are in `whole`, in their order. */
function isSubsequence(part: string, whole: string): boolean {
  let at = 0
  for (let i = 0; i < whole.length && at < part.length; i++)
    if (whole.charCodeAt(i) === part.charCodeAt(at)) at++
  return at === part.length
}
