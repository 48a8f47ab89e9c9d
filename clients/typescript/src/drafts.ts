// The user's drafts as the server has them. They aren't in a log: events say which draft to read
// anew, and each connection begins with reading all of them. A write names the version that it
// continues, so that it never replaces what this device hasn't seen.
import type { Draft, DraftNotice } from '@lockstep/protocol/drafts'
import { Fault } from '@lockstep/protocol/errors'
import { spliceBetween } from '@lockstep/protocol/splice'
import type { EncryptionHooks } from './encryption-hooks.ts'
import { isRetryable, type Call } from './rest/call.ts'
import { getDraft, listDrafts } from './rest/drafts.ts'
import type { Lifetime } from './lifetime.ts'
import type { DraftsFollower, WrittenDraft } from './views.ts'

export class Drafts implements Omit<DraftsFollower, 'subscribe'> {
  readonly #call: Call
  readonly #texts: EncryptionHooks['drafts'] | undefined
  readonly #notify: () => void
  /** Drafts that are being written, with the newest version that an event has named meanwhile. */
  readonly #writing = new Map<string, number>()
  #held = new Map<string, Draft>()
  #items: readonly Draft[] | undefined
  #loaded = false
  #lifetime: Lifetime | undefined
  /** What has changed since the reading of all drafts began; undefined while none runs. */
  #changedSince: Set<string> | undefined

  /** @param changed called when `loaded` or `items` has changed */
  constructor(call: Call, texts: EncryptionHooks['drafts'] | undefined, changed: () => void) {
    this.#call = call
    this.#texts = texts
    this.#notify = changed
    texts?.onChange(() => this.#changed())
  }

  get loaded(): boolean {
    return this.#loaded
  }

  get items(): readonly Draft[] {
    const held = [...this.#held.values()]
    this.#items ??= (this.#texts?.shown(held) ?? held).sort((a, b) => (a.id < b.id ? -1 : 1))
    return this.#items
  }

  /** Somebody has signed in. */
  begin(lifetime: Lifetime): void {
    this.#lifetime = lifetime
  }

  end(): void {
    this.#lifetime = undefined
    this.#loaded = false
    this.#changedSince = undefined
    this.#writing.clear()
    this.#held = new Map()
    this.#changed()
  }

  onNotice({ draft_id, version }: DraftNotice): void {
    this.#changedSince?.add(draft_id)
    const noticed = this.#writing.get(draft_id)
    if (noticed !== undefined) this.#writing.set(draft_id, version ?? Infinity)
    else if (version === null) this.#set(draft_id, undefined)
    else if ((this.#held.get(draft_id)?.version ?? 0) < version) void this.#read(draft_id)
  }

  async write(
    draft: WrittenDraft,
    base?: Draft,
    { keepalive }: { keepalive?: boolean } = {},
  ): Promise<Draft> {
    const { id, place, text } = draft
    const condition = base ? { if_version: base.version } : { only_if_absent: true }
    return this.#whileWriting(id, async () => {
      const encrypted = await this.#texts?.encrypted(draft)
      try {
        const splice = base && encrypted === undefined && spliceBetween(base.text, text)
        const body = { place, text: encrypted ?? text, ...splice }
        const position = await this.#call(
          'putDraft',
          { params: { id }, body },
          { ...condition, keepalive },
        )
        const written = { ...position, text }
        if (encrypted !== undefined) this.#texts?.written(written, encrypted, draft)
        this.#set(id, { ...position, text: encrypted ?? text })
        return written
      } catch (error) {
        const current = currentOf(error)
        if (current) this.#set(id, current)
        else if (isGone(error)) this.#set(id, undefined)
        // An earlier attempt was made, and its response was lost.
        if (
          current?.place === place &&
          (await (this.#texts?.plain(current) ?? current.text)) === text
        )
          return { ...current, text }
        throw error
      }
    })
  }

  async delete({ id, version }: Draft): Promise<void> {
    await this.#whileWriting(id, async () => {
      try {
        await this.#call('deleteDraft', { params: { id } }, { if_version: version })
      } catch (error) {
        const current = currentOf(error)
        if (current) this.#set(id, current)
        if (!isGone(error)) throw error
      }
      this.#set(id, undefined)
    })
  }

  async #whileWriting<T>(id: string, write: () => Promise<T>): Promise<T> {
    this.#writing.set(id, 0)
    this.#changedSince?.add(id)
    try {
      return await write()
    } finally {
      const noticed = this.#writing.get(id) ?? 0
      this.#writing.delete(id)
      const version = this.#held.get(id)?.version
      if (version === undefined ? noticed > 0 && noticed < Infinity : noticed > version)
        void this.#read(id)
    }
  }

  /** Reads all drafts. Events arrive from now on; earlier ones may have been missed. */
  async load(): Promise<void> {
    const lifetime = this.#lifetime
    const changed = new Set(this.#writing.keys())
    this.#changedSince = changed
    const isCurrent = () => this.#lifetime === lifetime && this.#changedSince === changed
    for (let attempt = 0; lifetime && isCurrent(); attempt++) {
      try {
        const drafts = await listDrafts(this.#call)
        if (!isCurrent()) return
        const held = new Map(drafts.map((draft) => [draft.id, draft]))
        for (const id of changed) {
          const known = this.#held.get(id)
          if (known) held.set(id, known)
          else held.delete(id)
        }
        this.#held = held
        this.#changedSince = undefined
        this.#loaded = true
        this.#changed()
        for (const id of changed) if (!this.#writing.has(id)) void this.#read(id)
      } catch (error) {
        if (!isRetryable(error)) return
        await lifetime.sleep(lifetime.delay(attempt))
      }
    }
  }

  /** Reads one draft. Whatever can't be read now is read with the next connection. */
  async #read(id: string): Promise<void> {
    const lifetime = this.#lifetime
    const draft = await getDraft(this.#call, id).catch((error: unknown) =>
      isGone(error) ? null : undefined,
    )
    if (draft === undefined || this.#lifetime !== lifetime || this.#writing.has(id)) return
    if (draft === null) this.#set(id, undefined)
    else if (draft.version > (this.#held.get(id)?.version ?? 0)) this.#set(id, draft)
  }

  #set<D extends Draft | undefined>(id: string, draft: D): D {
    this.#changedSince?.add(id)
    if (draft) this.#held.set(id, draft)
    else this.#held.delete(id)
    this.#changed()
    return draft
  }

  #changed(): void {
    this.#items = undefined
    this.#notify()
  }
}

const isGone = (error: unknown): boolean => error instanceof Fault && error.code === 'not_found'

function currentOf(error: unknown): Draft | undefined {
  if (!(error instanceof Fault) || error.code !== 'version_conflict') return undefined
  // Assertion: the contract says that `current` is the draft.
  return error.extra.current as Draft | undefined
}
