// One running reply: takes pieces from a provider, shows them at once (deltas), makes them durable about once a second, and ends exactly
// once. Whatever the provider does, whoever else ends the reply and however long the database is away, it never keeps streaming for ever:
// each wait has a deadline, and a writer that was refused never writes again.
import { errors, Fault } from '@lockstep/protocol/errors'
import type { JsonObject } from '@lockstep/protocol/free-form'
import { limits } from '@lockstep/protocol/limits'
import { byteLength } from '@lockstep/protocol/text'
import type { Logger } from '../observability/logger.ts'
import { ProviderDeadlines } from './provider-deadlines.ts'
import {
  ProviderFault,
  reasons,
  type ProviderEvent,
  type ReasonCode,
  type Usage,
} from './provider.ts'
import type { ReplyTimings } from './timings.ts'

export interface ProducedEnding {
  status: 'complete' | 'stopped' | 'interrupted' | 'failed'
  /** Joins the message's or run's own. */
  metadata: JsonObject
}

/** Where the text goes. The first two may be repeated with the same arguments; a Fault that isn't retryable is a refusal. */
export interface TextSink {
  extend(offset: number, text: string): Promise<void>
  finish(ending: ProducedEnding): Promise<void>
  /** Shows text behind `offset` to the devices, or that the model has been thinking there for so long (ms); may get lost. */
  delta(offset: number, text: string, thinkingMs?: number): void
}

/** How it was cut short, or that it is whole. */
export interface EndRequest {
  status: ProducedEnding['status']
  code?: ReasonCode
  /** Somebody who finishes it in his own name, first. */
  finishedBy?: Promise<unknown>
  /** It has ended already, or may not grow any more: what isn't durable is dropped. */
  alreadyEnded?: true
}

/** Of the thinking that is kept (UTF-16 units). */
const THINKING_KEPT = 8_000
/** How often devices are told that it thinks: they count the time themselves, but one that comes later must learn of it (ms). */
const THINKING_SHOWN_MS = 1_000

export class Producer {
  /** What remained to be written has been written, or can't be. */
  readonly flushed: Promise<void>
  readonly #source: (signal: AbortSignal) => AsyncIterable<ProviderEvent>
  readonly #sink: TextSink
  readonly #timings: ReplyTimings
  readonly #logger: Logger
  readonly #abort = new AbortController()
  readonly #cut = Promise.withResolvers<EndRequest>()
  readonly #flush = Promise.withResolvers<void>()
  readonly #began = performance.now()
  readonly #patience: ProviderDeadlines
  #ended = false
  #lost = false
  #text = ''
  #bytes = 0
  /** The first half of a surrogate pair whose second half hasn't come. */
  #half = ''
  #shown = 0
  #durable = 0
  #deltaTimer: NodeJS.Timeout | undefined
  #writeTimer: NodeJS.Timeout | undefined
  #writing: Promise<void> | undefined
  #lastWrite = -Infinity
  #thinking = ''
  /** Of its first and last piece, and when devices were told. */
  #thought: { from: number; to: number; shown: number } | undefined
  #firstTextAt: number | undefined
  #usage: Usage | undefined
  #note: ReasonCode | undefined

  constructor(
    source: (signal: AbortSignal) => AsyncIterable<ProviderEvent>,
    sink: TextSink,
    { timings, logger }: { timings: ReplyTimings; logger: Logger },
  ) {
    this.#source = source
    this.#sink = sink
    this.#timings = timings
    this.#logger = logger
    this.flushed = this.#flush.promise
    this.#patience = new ProviderDeadlines(timings, (code) => this.end({ status: 'failed', code }))
  }

  /** Milliseconds to the first text, once it has come. */
  get firstTextMs(): number | undefined {
    return this.#firstTextAt === undefined ? undefined : this.#firstTextAt - this.#began
  }

  /** What an ending tells of it so far: the thinking and how long it took, the tokens, the time. */
  get metadata(): JsonObject {
    return {
      ...(this.#thought && {
        thinking: this.#thinking.slice(0, THINKING_KEPT).toWellFormed().trim(),
        thinking_ms: Math.round(this.#thought.to - this.#thought.from),
      }),
      ...(this.#usage && { usage: { ...this.#usage } }),
      duration_ms: Math.round(performance.now() - this.#began),
    }
  }

  /** When something was last written (`performance.now()`). */
  get lastWriteAt(): number {
    return this.#lastWrite
  }

  /** Produces until it has ended. Answers how; undefined: it is somebody else's now, or nothing can be written. */
  async run(): Promise<ProducedEnding['status'] | undefined> {
    void this.#read()
    const cut = await this.#cut.promise
    await this.#writing
    const refused = !cut.alreadyEnded && this.#durable < this.#text.length && !(await this.#write())
    this.#flush.resolve()
    await cut.finishedBy?.catch(() => undefined)
    if (this.#lost) return undefined
    const ending = this.#endingOf(refused ? { status: 'stopped' } : cut)
    return (await this.#persist(() => this.#sink.finish(ending))) === 'gave up'
      ? undefined
      : ending.status
  }

  /** Ends it; the first one counts. Text that comes afterwards is dropped. */
  end(cut: EndRequest): void {
    if (this.#ended) return
    this.#ended = true
    this.#patience.stop()
    clearTimeout(this.#deltaTimer)
    clearTimeout(this.#writeTimer)
    if (!cut.alreadyEnded) this.#showText()
    this.#cut.resolve(cut)
    this.#abort.abort()
  }

  /** The lease is another's now, who ends it: nothing is written any more. */
  loseLease(): void {
    this.#lost = true
    this.end({ status: 'interrupted', code: 'lost' })
  }

  async #read(): Promise<void> {
    try {
      for await (const piece of this.#source(this.#abort.signal)) {
        if (this.#ended) return
        this.#take(piece)
      }
      this.#add('', true)
      const status = this.#text === '' ? 'failed' : 'complete'
      this.end({ status, code: this.#note ?? (status === 'failed' ? 'empty' : undefined) })
    } catch (error) {
      if (this.#ended) return
      this.#add('', true)
      const code = error instanceof ProviderFault ? error.code : 'internal'
      this.#logger.warn(
        { reason: code, err: code === 'internal' ? error : undefined },
        'a provider failed',
      )
      this.end({ status: 'failed', code })
    }
  }

  #take(piece: ProviderEvent): void {
    this.#patience.noteEvent()
    switch (piece.kind) {
      case 'thinking':
        return this.#think(piece.text)
      case 'usage':
        this.#usage = piece.usage
        return
      case 'cut':
        this.#note = piece.code
        return
      case 'text':
        this.#firstTextAt ??= performance.now()
        this.#add(piece.text, false)
    }
  }

  #think(piece: string): void {
    if (!this.#thought && piece.trim() === '') return // models that don't think say so by empty thoughts
    if (this.#thinking.length < THINKING_KEPT) this.#thinking += piece
    const now = performance.now()
    this.#thought ??= { from: now, to: now, shown: -Infinity }
    this.#thought.to = now
    if (now - this.#thought.shown < THINKING_SHOWN_MS) return
    this.#thought.shown = now
    this.#sink.delta(this.#text.length, '', Math.round(now - this.#thought.from))
  }

  /** Only whole characters are shown and stored: half a pair waits for its other half, which another piece may bring. */
  #add(piece: string, isLast: boolean): void {
    let text = this.#half + piece
    const halved = !isLast && /[\uD800-\uDBFF]$/.test(text)
    this.#half = halved ? text.slice(-1) : ''
    text = (halved ? text.slice(0, -1) : text).toWellFormed()
    const room = limits.messageBytes - this.#bytes
    const fitting = byteLength(text) <= room ? text : firstBytes(text, room)
    if (fitting !== '') {
      this.#text += fitting
      this.#bytes += byteLength(fitting)
      this.#deltaTimer ??= setTimeout(() => this.#showText(), this.#timings.deltaMs)
      this.#scheduleWrite()
    }
    if (fitting !== text) this.end({ status: 'complete', code: 'too_large' })
  }

  #showText(): void {
    this.#deltaTimer = undefined
    if (this.#lost || this.#shown >= this.#text.length) return
    const offset = this.#shown
    this.#shown = this.#text.length
    this.#sink.delta(offset, this.#text.slice(offset))
  }

  #scheduleWrite(): void {
    if (this.#ended || this.#writeTimer || this.#writing || this.#durable >= this.#text.length)
      return
    const due = Math.max(this.#lastWrite, this.#firstTextAt ?? 0) + this.#timings.durableMs
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

  /** Makes what has come so far durable; false: it may not be. */
  async #write(): Promise<boolean> {
    this.#lastWrite = performance.now()
    const offset = this.#durable
    const piece = this.#text.slice(offset)
    const outcome = await this.#persist(() => this.#sink.extend(offset, piece))
    if (outcome === 'done') this.#durable = offset + piece.length
    // refused: it has ended elsewhere, or is in the trash, where it still has to end
    if (outcome === 'refused') this.end({ status: 'stopped', alreadyEnded: true })
    if (outcome === 'gave up') this.loseLease()
    return outcome === 'done'
  }

  /** Tries until it is done or refused, as long as the lease is ours and the deadline hasn't passed. */
  async #persist(work: () => Promise<void>): Promise<'done' | 'refused' | 'gave up'> {
    const deadline = performance.now() + this.#timings.giveUpMs
    for (let wait = this.#timings.retryMs; ; wait = Math.min(wait * 2, 2_000)) {
      if (this.#lost) return 'gave up'
      try {
        await work()
        return 'done'
      } catch (error) {
        if (error instanceof Fault && !errors[error.code].retryable) return 'refused'
        if (performance.now() + wait > deadline) {
          this.#logger.error(
            { err: error },
            'a reply could not be written: another node will end it',
          )
          return 'gave up'
        }
      }
      await new Promise((resolve) => setTimeout(resolve, wait))
    }
  }

  #endingOf({ status, code }: EndRequest): ProducedEnding {
    return {
      status,
      metadata: { ...this.metadata, ...(code && { reason: reasons[code], reason_code: code }) },
    }
  }
}

/** As many whole characters as fit into `max` bytes. */
function firstBytes(text: string, max: number): string {
  let bytes = 0
  let end = 0
  for (const character of text) {
    bytes += byteLength(character)
    if (bytes > max) break
    end += character.length
  }
  return text.slice(0, end)
}
