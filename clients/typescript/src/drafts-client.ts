// The drafts as programs use them. The code that follows them (drafts.ts) is loaded when somebody
// subscribes or writes one.
import type { Draft, DraftNotice } from '@lockstep/protocol/drafts'
import { Fault } from '@lockstep/protocol/errors'
import type { Drafts } from './drafts.ts'
import type { EncryptionHooks } from './encryption-hooks.ts'
import { lateCode } from './late-code.ts'
import type { Lifetime } from './lifetime.ts'
import { Notifier } from './notifier.ts'
import type { Call } from './rest/call.ts'
import type { DraftsFollower } from './views.ts'

const nothing: readonly Draft[] = []

export class DraftsClient implements DraftsFollower {
  readonly #call: Call
  readonly #texts: EncryptionHooks['drafts'] | undefined
  readonly #notifier = new Notifier()
  #drafts: Drafts | undefined
  #lifetime: Lifetime | undefined
  #isFollowed = false
  #isLive = false
  /** Counts the calls of `#follow`: the newest one reads. */
  #follows = 0

  constructor(call: Call, texts?: EncryptionHooks['drafts']) {
    this.#call = call
    this.#texts = texts
  }

  get loaded(): boolean {
    return this.#drafts?.loaded ?? false
  }

  get items(): readonly Draft[] {
    return this.#drafts?.items ?? nothing
  }

  subscribe(listener: () => void): () => void {
    const isFirst = !this.#isFollowed
    this.#isFollowed = true
    if (isFirst && this.#isLive) void this.#follow()
    return this.#notifier.subscribe(listener)
  }

  begin(lifetime: Lifetime): void {
    this.#lifetime = lifetime
    this.#drafts?.begin(lifetime)
  }

  end(): void {
    this.#lifetime = undefined
    this.#isLive = false
    this.#drafts?.end()
  }

  /** Events arrive from now on. Earlier ones may have been missed. */
  live(): void {
    this.#isLive = true
    if (this.#isFollowed) void this.#follow()
  }

  onNotice(notice: DraftNotice): void {
    if (this.#isFollowed) this.#drafts?.onNotice(notice)
  }

  async write(...args: Parameters<Drafts['write']>): Promise<Draft> {
    return (await this.#signedIn()).write(...args)
  }

  async delete(draft: Draft): Promise<void> {
    return (await this.#signedIn()).delete(draft)
  }

  /** Reads all drafts, as soon as the code is there. */
  async #follow(): Promise<void> {
    const lifetime = this.#lifetime
    const follow = ++this.#follows
    for (let attempt = 0; lifetime && follow === this.#follows && !lifetime.ended; attempt++) {
      const drafts = await this.#signedIn().catch(() => undefined)
      if (drafts) return drafts.load()
      await lifetime.sleep(lifetime.delay(attempt))
    }
  }

  /**
   * The drafts of the user who is signed in. Rejects with Fault `unavailable` if nobody is, or not
   * any more when the code is there, or if the code doesn't load.
   */
  async #signedIn(): Promise<Drafts> {
    const lifetime = this.#lifetime
    if (!lifetime) throw new Fault('unavailable', { detail: 'Nobody is signed in' })
    if (this.#drafts) return this.#drafts
    const { Drafts } = await lifetime.race(lateCode(import('./drafts.ts')))
    if (!this.#drafts) {
      this.#drafts = new Drafts(this.#call, this.#texts, () => this.#notifier.changed())
      this.#drafts.begin(lifetime)
    }
    return this.#drafts
  }
}
