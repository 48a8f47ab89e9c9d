// The user's drafts as the server has them. They aren't in a log: events say which draft to read
// anew, and each connection begins with reading all of them. A write names the version that it
// continues, so that it never replaces what this device hasn't seen.
import type { Draft, DraftNotice } from '@lockstep/protocol/drafts'
import { Fault } from '@lockstep/protocol/errors'
import { spliceBetween } from '@lockstep/protocol/splice'
import { Notifier } from './notifier.ts'
import { isRetryable, type Call } from './rest/call.ts'
import { getDraft, listDrafts } from './rest/drafts.ts'
import type { Lifetime } from './lifetime.ts'
import type { DraftsFollower, WrittenDraft } from './views.ts'

export class DraftsClient implements DraftsFollower {
  readonly #call: Call
  readonly #notifier = new Notifier()
  /** Drafts that are being written, with the newest version that an event has named meanwhile. */
  readonly #writing = new Map<string, number>()
  #held = new Map<string, Draft>()
  #items: readonly Draft[] | undefined
  #isFollowed = false
  #isLive = false
  #loaded = false
  #lifetime: Lifetime | undefined
  /** What has changed since the reading of all drafts began; undefined while none runs. */
  #changedSince: Set<string> | undefined

  constructor(call: Call) {
    this.#call = call
  }

  get loaded(): boolean {
    return this.#loaded
  }

  get items(): readonly Draft[] {
    this.#items ??= [...this.#held.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
    return this.#items
  }

  subscribe(listener: () => void): () => void {
    this.#isFollowed = true
    if (this.#isLive && !this.#loaded) void this.#load()
    return this.#notifier.subscribe(listener)
  }

  begin(lifetime: Lifetime): void {
    this.#lifetime = lifetime
  }

  end(): void {
    this.#lifetime = undefined
    this.#isLive = this.#loaded = false
    this.#changedSince = undefined
    this.#writing.clear()
    this.#held = new Map()
    this.#changed()
  }

  /** Events arrive from now on. Earlier ones may have been missed. */
  live(): void {
    this.#isLive = true
    if (this.#isFollowed) void this.#load()
  }

  onNotice({ draft_id, version }: DraftNotice): void {
    if (!this.#isFollowed) return
    this.#changedSince?.add(draft_id)
    const noticed = this.#writing.get(draft_id)
    if (noticed !== undefined) this.#writing.set(draft_id, version ?? Infinity)
    else if (version === null) this.#set(draft_id, undefined)
    else if ((this.#held.get(draft_id)?.version ?? 0) < version) void this.#read(draft_id)
  }

  async write(
    { id, place, text }: WrittenDraft,
    base?: Draft,
    { keepalive }: { keepalive?: boolean } = {},
  ): Promise<Draft> {
    const splice = base && spliceBetween(base.text, text)
    const condition = base ? { if_version: base.version } : { only_if_absent: true }
    return this.#whileWriting(id, async () => {
      try {
        const body = { place, text, ...splice }
        const position = await this.#call(
          'putDraft',
          { params: { id }, body },
          { ...condition, keepalive },
        )
        return this.#set(id, { ...position, text })
      } catch (error) {
        const current = currentOf(error)
        if (current) this.#set(id, current)
        else if (isGone(error)) this.#set(id, undefined)
        // An earlier attempt has written this already, and its response was lost.
        if (current?.text === text && current.place === place) return current
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

  async #load(): Promise<void> {
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
    this.#notifier.changed()
  }
}

const isGone = (error: unknown): boolean => error instanceof Fault && error.code === 'not_found'

function currentOf(error: unknown): Draft | undefined {
  if (!(error instanceof Fault) || error.code !== 'version_conflict') return undefined
  // Assertion: the contract says that `current` is the draft.
  return error.extra.current as Draft | undefined
}
