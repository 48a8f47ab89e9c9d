// A tail follows the changes of its buckets through one change stream for as long as it runs, and
// survives every failure of the stream. The invariant: each change is delivered, or
// `onStartedFromNow` is called so that heads are compared.
//
//      open after the saved token ──▶ following ──────▶ ready: an event was shown
//        ▲                             │                 │
//        ├──── a resumable failure ◀───┴─────────────────┤
//        │                                               │
//      open from now ◀──── any other failure ◀───────────┘
//
// A stream that was opened from now must show an event before heads are compared. An entry that is
// older than the start of the stream may still be on its way to a majority, and until it arrives,
// no majority read finds it either. The events of a stream are ordered, so the first event proves
// that all earlier entries can be read. The canary, a document that the tail writes itself, makes
// sure that there is an event. It also shows whether a silent stream still works. On a full disk
// nobody can write, not even the canary: a stream that has opened is ready then, and heads are
// compared after its first event.
import { setTimeout as sleep } from 'node:timers/promises'
import { backoffMs } from '../concurrency/backoff.ts'
import type { Logger } from '../observability/logger.ts'
import type { ChangeStreamReader } from '../store/change-stream.ts'
import type { ChangeDocument, ResumeToken } from '../store/documents.ts'
import { isDiskFull } from '../store/faults.ts'

export interface TailTimings {
  /** After this time without an event, the canary is written. */
  idleMs: number
  /** The stream is mute if it does not show the canary within this time of its write. */
  muteMs: number
  /** Shortest time between two saved tokens. */
  saveMs: number
  /** First and longest wait before the stream is opened again. */
  retryMs: readonly [first: number, longest: number]
}
export const tailTimings: TailTimings = {
  idleMs: 10_000,
  muteMs: 10_000,
  saveMs: 1_000,
  retryMs: [100, 10_000],
}

/** `resumed`: opened after the last token; the others: opened from now. */
export type StreamFailure = 'resumed' | 'restarted' | 'mute'

export interface TailDeps<Entry = ChangeDocument> {
  /** Opens a stream after the token, or from now. */
  openStream(after: ResumeToken | undefined): ChangeStreamReader<Entry>
  isResumable(error: unknown): boolean
  writeCanary(): Promise<void>
  /** Receives the changes in order. Must not wait. */
  deliver(entry: Entry): void
  /** Everything up to the token has been delivered. */
  saveToken(token: ResumeToken): Promise<void>
  /**
   * A stream that was opened from now has shown its first event. Changes before it may be missing,
   * and they can be read now.
   */
  onStartedFromNow(): void
  onFailure(reason: StreamFailure): void
  onReadyChange(isReady: boolean): void
}

export interface Tail {
  /** True while the stream shows what is written. */
  isReady(): boolean
  /** How often the stream had to be opened from now after a failure. */
  restarts(): number
  stop(): Promise<void>
}

class StreamLostError extends Error {
  override name = 'StreamLostError'
}

/** @param token resume after this position; undefined: begin now */
export function startTail<Entry>(
  token: ResumeToken | undefined,
  deps: TailDeps<Entry>,
  logger: Logger,
  timings = tailTimings,
): Tail {
  const stopping = new AbortController()
  let isReady = false
  let restarts = 0
  let position = token
  /** The stream was opened from now, and heads have not been compared since. */
  let isComparisonDue = token === undefined
  let interrupt: ((error: Error) => void) | undefined

  function setReady(ready: boolean): void {
    if (isReady === ready) return
    isReady = ready
    deps.onReadyChange(ready)
  }

  /** Makes a wait interruptible, because a half-open connection never answers. */
  const interruptible = <T>(promise: Promise<T>) =>
    new Promise<T>((resolve, reject) => {
      interrupt = reject
      promise.then(resolve, reject)
    })

  async function follow(stream: ChangeStreamReader<Entry>, onEvent: () => void): Promise<void> {
    const save = createTokenSaver(deps, timings.saveMs, logger)
    stream.onOpen(() => {
      deps.writeCanary().catch((error: unknown) => {
        logger.debug({ err: error }, 'the canary was not written')
        if (isDiskFull(error)) setReady(true)
      })
    })
    while (!stopping.signal.aborted) {
      const event = await interruptible(stream.next())
      if (event?.kind === 'lost') throw new StreamLostError(`the stream ended with ${event.what}`)
      if (event?.kind === 'change') deps.deliver(event.entry)
      position = stream.token() ?? position
      if (event) onEvent()
      if (position !== undefined) save(position)
    }
  }

  async function run(): Promise<void> {
    let failuresWithoutEvent = 0
    let attempt = 0
    while (!stopping.signal.aborted) {
      const stream = deps.openStream(position)
      const watch = watchForMuteness(deps, timings, () =>
        interrupt?.(new StreamLostError('the stream is mute')),
      )
      try {
        await follow(stream, () => {
          if (isComparisonDue) deps.onStartedFromNow()
          isComparisonDue = false
          setReady(true)
          failuresWithoutEvent = 0
          attempt = 0
          watch.eventShown()
        })
      } catch (error) {
        if (stopping.signal.aborted) break
        setReady(false)
        attempt++
        const resumable = !(error instanceof StreamLostError) && deps.isResumable(error)
        if (!resumable) {
          failuresWithoutEvent++
          restarts++
          position = undefined
          isComparisonDue = true
        }
        deps.onFailure(resumable ? 'resumed' : watch.isMute() ? 'mute' : 'restarted')
        // Two streams in a row that fail without an event are a fault that an operator must see.
        if (failuresWithoutEvent > 1)
          logger.error(
            { err: error, losses: failuresWithoutEvent },
            'the change stream keeps failing',
          )
        else logger.warn({ err: error, resumable }, 'the change stream failed')
        if (resumable || failuresWithoutEvent > 1)
          await pause(backoffMs(attempt, timings.retryMs), stopping.signal)
      } finally {
        watch.stop()
        stream
          .close()
          .catch((error: unknown) => logger.debug({ err: error }, 'a stream was not closed'))
      }
    }
    setReady(false)
  }

  const running = run()
  return {
    isReady: () => isReady,
    restarts: () => restarts,
    stop() {
      stopping.abort()
      interrupt?.(new Error('the tail was stopped'))
      return running
    },
  }
}

/** Writes the canary when the stream is silent. Calls `onMute` if the stream does not show it. */
function watchForMuteness(
  deps: Pick<TailDeps, 'writeCanary'>,
  timings: TailTimings,
  onMute: () => void,
) {
  let lastEventAt = performance.now()
  let canaryWrittenAt: number | undefined
  let isWriting = false
  let isMute = false

  async function check(): Promise<void> {
    const now = performance.now()
    if (canaryWrittenAt !== undefined && now - canaryWrittenAt > timings.muteMs) {
      isMute = true
      onMute()
    } else if (canaryWrittenAt === undefined && !isWriting && now - lastEventAt > timings.idleMs) {
      isWriting = true
      await deps.writeCanary().then(
        () => (canaryWrittenAt = performance.now()),
        () => undefined, // The database is away; the stream itself will fail.
      )
      isWriting = false
      // The event can arrive before the answer to the write.
      if (canaryWrittenAt !== undefined && lastEventAt > now) canaryWrittenAt = undefined
    }
  }

  const timer = setInterval(() => void check(), Math.min(timings.idleMs, timings.muteMs) / 4)
  return {
    eventShown() {
      lastEventAt = performance.now()
      canaryWrittenAt = undefined
    },
    isMute: () => isMute,
    stop: () => clearInterval(timer),
  }
}

/**
 * Saves tokens one at a time and at most once per `everyMs`. If a token is not saved, the next tail
 * replays more, which is harmless.
 */
function createTokenSaver(deps: Pick<TailDeps, 'saveToken'>, everyMs: number, logger: Logger) {
  let saved: ResumeToken | undefined
  let isSaving = false
  let nextAt = 0
  return (token: ResumeToken) => {
    if (isSaving || performance.now() < nextAt || isSameToken(token, saved)) return
    isSaving = true
    deps
      .saveToken(token)
      .then(() => (saved = token))
      .catch((error: unknown) => logger.debug({ err: error }, 'a resume token was not saved'))
      .finally(() => {
        isSaving = false
        nextAt = performance.now() + everyMs
      })
  }
}

const isSameToken = (a: ResumeToken | undefined, b: ResumeToken | undefined) =>
  JSON.stringify(a) === JSON.stringify(b)

const pause = (ms: number, signal: AbortSignal) =>
  sleep(ms, undefined, { signal }).catch(() => undefined)
