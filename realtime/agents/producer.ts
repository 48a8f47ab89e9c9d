// Produces one reply: takes events from a provider, shows text to the devices at once (deltas),
// writes it to the log about once a second, and ends exactly once.
//
//   provider event ─► #text ─┬─ after deltaMs ───► sink.delta    (up to #shown; may get lost)
//                            └─ after durableMs ─► sink.extend   (up to #durable; retried)
//   end(request) ─► last extend ─► flushed ─► sink.finish        (unless the lease is lost)
//
// If all text so far turns out to have been thinking, what the log has of it is retracted
// (sink.retract) before new text is shown or written.
//
// A reply never streams for ever, whatever the provider does, whoever else ends the reply and
// however long the database is away: each wait has a deadline, and a producer whose write was
// refused never writes again.
import { inversePatch, type JsonObject } from '@lockstep/protocol/free-form'
import { contentOf } from '@lockstep/protocol/part-texts'
import type { Part } from '@lockstep/protocol/parts'
import type { ProducerOptions, ReplySource } from './producer-options.ts'
import { endingOf, type EndRequest } from './end-request.ts'
import { persist, type WriteOutcome } from './persist.ts'
import { ProviderDeadlines } from './provider-deadlines.ts'
import { ProviderFault, type ProviderEvent, type ReasonCode, type Usage } from './provider.ts'
import { ReplyParts, type PendingWrite, type TakenParts } from './reply-parts.ts'
import { ReplyText } from './reply-text.ts'
import type { ProducedEnding, TextSink } from './text-sink.ts'

/** A run has no parts, so its metadata has the thinking, up to this length (UTF-16 units). */
const THINKING_KEPT = 8_000
/**
 * A reasoning part is written as a whole each time, so a long one is written less often: the pause
 * (ms) is at least the length of the part (UTF-16 units) divided by this.
 */
const REWRITTEN_PER_MS = 16
/**
 * Devices are told this often that the model is thinking (ms). They count the time themselves, but
 * a device that joins later must learn of it.
 */
const THINKING_SHOWN_MS = 1_000

export class Producer {
  /** Resolves when the last text has been written or can't be written. */
  readonly flushed: Promise<void>
  readonly #source: ReplySource | undefined
  readonly #sink: TextSink
  readonly #options: ProducerOptions
  readonly #abort = new AbortController()
  readonly #endRequest = Promise.withResolvers<EndRequest>()
  readonly #flush = Promise.withResolvers<void>()
  readonly #startedAt = performance.now()
  readonly #deadlines: ProviderDeadlines | undefined
  #ended = false
  #leaseLost = false
  readonly #text: ReplyText
  #shown: number
  #durable: number
  /** The log may have text that turned out to be thinking. */
  #mustRetract = false
  #deltaTimer: NodeJS.Timeout | undefined
  #writeTimer: NodeJS.Timeout | undefined
  #writing: Promise<void> | undefined
  #lastWrite = -Infinity
  readonly #parts: ReplyParts
  /** The metadata of the log, and as it is by now: one patch, however often it has changed. */
  #metadataChange: { from: JsonObject; to: JsonObject } | undefined
  /** How many parts and patches have been written. */
  #othersWritten = 0
  /** Are called when the log has everything, or when the reply ends. */
  #waiting: (() => void)[] = []
  /** When the first and the last thinking arrived, and when devices were last told of it. */
  #thought: { from: number; to: number; shown: number } | undefined
  /** Thoughts have been shown at an offset beyond the text. */
  #thoughtsAhead = false
  #firstTextAt: number | undefined
  #usage: Usage | undefined
  #truncation: ReasonCode | undefined

  /**
   * @param source where the events come from. Without a source, the owner of the producer hands it
   *   each event and ends it.
   */
  constructor(source: ReplySource | undefined, sink: TextSink, options: ProducerOptions) {
    const { timings, begun = [] } = options
    this.#source = source
    this.#sink = sink
    this.#options = options
    this.#parts = new ReplyParts(begun)
    this.#text = new ReplyText(contentOf(begun))
    this.#shown = this.#durable = this.#text.length
    this.flushed = this.#flush.promise
    this.#deadlines =
      source && new ProviderDeadlines(timings, (code) => this.end({ status: 'failed', code }))
  }

  /** What has been taken: the length of the text (UTF-16 units), its room, and the parts. */
  get taken(): { length: number; bytesLeft: number; parts: TakenParts } {
    const { length, bytesLeft } = this.#text
    return { length, bytesLeft, parts: this.#parts }
  }

  get hasEnded(): boolean {
    return this.#ended
  }

  /** Resolves when the log has everything that has been taken so far, or the reply ends. */
  async written(): Promise<void> {
    if (this.#ended || !this.#hasUnwritten) return
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** Milliseconds until the first text arrived; undefined before that. */
  get firstTextMs(): number | undefined {
    return this.#firstTextAt === undefined ? undefined : this.#firstTextAt - this.#startedAt
  }

  /**
   * The metadata of an ending at this moment: thinking and its duration, token counts, total
   * duration.
   */
  get metadata(): JsonObject {
    return {
      ...(this.#thought && {
        thinking: this.#parts.thinking.slice(0, THINKING_KEPT).toWellFormed().trim(),
        thinking_ms: Math.round(this.#thought.to - this.#thought.from),
      }),
      ...(this.#usage && { usage: { ...this.#usage } }),
      duration_ms: Math.round(performance.now() - this.#startedAt),
    }
  }

  /** When the producer last wrote to the log (`performance.now()`). */
  get lastWriteAt(): number {
    return this.#lastWrite
  }

  /**
   * Produces the reply to its end and resolves to the status with which it ended; undefined if the
   * lease was lost or the end couldn't be written.
   */
  async run(): Promise<ProducedEnding['status'] | undefined> {
    if (this.#source) void this.#read(this.#source)
    const request = await this.#endRequest.promise
    await this.#writing
    const refused = !request.alreadyEnded && this.#hasUnwritten && !(await this.#write())
    this.#flush.resolve()
    await request.endedBy?.catch(() => undefined)
    if (this.#leaseLost) return undefined
    const ending = endingOf(refused ? { status: 'stopped' } : request, this.metadata)
    return (await this.#persist(() => this.#sink.finish(ending))) === 'gave up'
      ? undefined
      : ending.status
  }

  /** Ends the reply. Only the first call counts; text that arrives afterwards is dropped. */
  end(request: EndRequest): void {
    if (this.#ended) return
    this.#ended = true
    this.#deadlines?.stop()
    this.#wake()
    clearTimeout(this.#deltaTimer)
    clearTimeout(this.#writeTimer)
    if (!request.alreadyEnded) this.#showText()
    this.#endRequest.resolve(request)
    this.#abort.abort()
  }

  /**
   * Must be called when another node has the lease, and so the right to end the reply. Nothing is
   * written any more.
   */
  loseLease(): void {
    this.#leaseLost = true
    this.end({ status: 'interrupted', code: 'lost' })
  }

  async #read(source: ReplySource): Promise<void> {
    try {
      for await (const event of source(this.#abort.signal)) this.take(event)
      if (this.#ended) return
      this.#addText('', true)
      const status = this.#text.length === 0 ? 'failed' : 'complete'
      this.end({ status, code: this.#truncation ?? (status === 'failed' ? 'empty' : undefined) })
    } catch (error) {
      if (this.#ended) return
      this.#addText('', true)
      const code = error instanceof ProviderFault ? error.code : 'internal'
      this.#options.logger.warn(
        {
          reason: code,
          provider: error instanceof ProviderFault ? error.response : undefined,
          err: code === 'internal' ? error : undefined,
        },
        'the provider failed',
      )
      this.end({ status: 'failed', code })
    }
  }

  /** Takes what comes next; after the end, nothing. */
  take(event: ProviderEvent): void {
    if (this.#ended) return
    this.#deadlines?.noteEvent()
    switch (event.kind) {
      case 'thinking':
        return this.#addThinking(event.text)
      case 'part':
        return this.#addPart(event.part)
      case 'metadata':
        this.#metadataChange = { from: this.#metadataChange?.from ?? event.from, to: event.to }
        return this.#scheduleWrite()
      case 'usage':
        this.#usage = event.usage
        return
      case 'text_was_thinking':
        return this.#turnIntoThinking()
      case 'truncated':
        this.#truncation = event.code
        return
      case 'text':
        this.#firstTextAt ??= performance.now()
        this.#addText(event.text, false)
    }
  }

  #addThinking(text: string): void {
    if (!this.#thought && text.trim() === '') return // models that don't think send empty thinking
    const now = performance.now()
    this.#thought ??= { from: now, to: now, shown: -Infinity }
    this.#thought.to = now
    this.#parts.addThinking(text, Math.round(now - this.#thought.from))
    this.#showSoon()
    this.#scheduleWrite()
    if (now - this.#thought.shown < THINKING_SHOWN_MS) return
    this.#thought.shown = now
    this.#showThinking()
  }

  #addPart(part: Part): void {
    this.#parts.put(part)
    if (part.type === 'text' && 'text' in part) {
      this.#firstTextAt ??= performance.now()
      this.#text.add(part.text, false)
      this.#showSoon()
    }
    this.#scheduleWrite()
  }

  #turnIntoThinking(): void {
    const now = performance.now()
    const from = this.#thought?.from ?? this.#firstTextAt ?? now
    this.#parts.turnTextIntoThinking(this.#text.clear(), Math.round(now - from))
    this.#thought = { from, to: now, shown: now }
    this.#mustRetract = this.#durable > 0 || this.#writing !== undefined
    this.#shown = 0
    this.#firstTextAt = undefined
    if (!this.#mustRetract) {
      this.#showThinking()
      return this.#scheduleWrite()
    }
    clearTimeout(this.#writeTimer)
    this.#writeTimer = undefined
    this.#scheduleWrite()
  }

  /** Tells the devices that the model has been thinking up to the end of the text. */
  #showThinking(): void {
    if (!this.#thought || this.#leaseLost) return
    const { from, to } = this.#thought
    this.#sink.delta(this.#text.length, '', Math.round(to - from))
  }

  #addText(received: string, isLast: boolean): void {
    const { added, fits } = this.#text.add(received, isLast)
    if (added !== '') {
      this.#parts.addText(added)
      this.#showSoon()
      this.#scheduleWrite()
    }
    if (!fits) this.end({ status: 'complete', code: 'too_large' })
  }

  #showSoon(): void {
    this.#deltaTimer ??= setTimeout(() => this.#showText(), this.#options.timings.deltaMs)
  }

  #showText(): void {
    this.#deltaTimer = undefined
    if (this.#leaseLost || this.#mustRetract) return
    this.#showThoughts()
    if (this.#shown >= this.#text.length) return
    const offset = this.#shown
    this.#shown = this.#text.length
    this.#sink.delta(offset, this.#text.from(offset))
  }

  /**
   * Shows new thinking. Devices that don't know parts take its offset for one of the text, so they
   * are told where the text goes on.
   */
  #showThoughts(): void {
    if (!this.#thought) return
    const ms = Math.round(this.#thought.to - this.#thought.from)
    for (const { part_id, offset, text } of this.#parts.takeUnshown()) {
      this.#sink.delta(offset, text, ms, part_id)
      this.#thoughtsAhead ||= offset > this.#shown
    }
    if (!this.#thoughtsAhead || this.#shown >= this.#text.length) return
    this.#thoughtsAhead = false
    this.#sink.delta(this.#shown, '', ms)
  }

  get #hasUnwritten(): boolean {
    const lacksText = this.#mustRetract || this.#durable < this.#text.length
    return lacksText || this.#parts.hasUnwritten || this.#metadataChange !== undefined
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  #scheduleWrite(): void {
    if (!this.#hasUnwritten) this.#wake()
    if (this.#ended || this.#writeTimer || this.#writing || !this.#hasUnwritten) return
    const due = this.#mustRetract
      ? 0
      : Math.max(this.#lastWrite, this.#firstTextAt ?? this.#thought?.from ?? 0) +
        this.#writeInterval
    this.#writeTimer = setTimeout(
      () => {
        this.#writeTimer = undefined
        this.#writing = this.#write().then(() => {
          this.#writing = undefined
          this.#scheduleWrite()
        })
      },
      Math.max(0, due - performance.now()),
    )
  }

  get #writeInterval(): number {
    const { durableMs } = this.#options.timings
    return this.#durable < this.#text.length
      ? durableMs
      : Math.max(durableMs, this.#parts.thinkingLength / REWRITTEN_PER_MS)
  }

  /** Writes what there is so far to the log. Resolves to false if it couldn't be written. */
  async #write(): Promise<boolean> {
    this.#lastWrite = performance.now()
    let outcome = this.#mustRetract ? await this.#retract() : 'done'
    for (const pending of outcome === 'done' ? this.#parts.unwritten(this.#durable) : [])
      if (outcome === 'done') outcome = await this.#writeOne(pending)
    if (outcome === 'done' && this.#metadataChange)
      outcome = await this.#describe(this.#metadataChange)
    // refused: the reply has ended, or its conversation is in the trash, where the reply can still
    // be ended
    if (outcome === 'refused') this.end({ status: 'stopped', alreadyEnded: true })
    if (outcome === 'gave up') this.loseLease()
    return outcome === 'done'
  }

  async #writeOne(pending: PendingWrite): Promise<WriteOutcome> {
    if (pending.kind === 'part') {
      const { part } = pending
      const n = ++this.#othersWritten
      const outcome = await this.#persist(() => this.#sink.part(part, n))
      if (outcome !== 'done') return outcome
      this.#parts.noteWritten(part)
      this.#durable = Math.max(this.#durable, pending.end)
      return outcome
    }
    const { offset, text } = pending
    const outcome = await this.#persist(() => this.#sink.extend(offset, text))
    if (outcome === 'done') this.#durable = offset + text.length
    return outcome
  }

  async #describe({ from, to }: { from: JsonObject; to: JsonObject }): Promise<WriteOutcome> {
    const n = ++this.#othersWritten
    const patch = inversePatch(to, from)
    const outcome = await this.#persist(() => this.#sink.describe(patch, n))
    const now = this.#metadataChange?.to
    if (outcome === 'done')
      this.#metadataChange = now && now !== to ? { from: to, to: now } : undefined
    return outcome
  }

  async #retract(): Promise<WriteOutcome> {
    const outcome = await this.#persist(() => this.#sink.retract())
    if (outcome !== 'done') return outcome
    this.#mustRetract = false
    this.#durable = 0
    this.#sink.delta(0, '', this.#thought && Math.round(this.#thought.to - this.#thought.from))
    this.#showText()
    return outcome
  }

  #persist(work: () => Promise<void>): Promise<WriteOutcome> {
    const { timings, logger } = this.#options
    return persist(work, { timings, logger, isLost: () => this.#leaseLost })
  }
}
