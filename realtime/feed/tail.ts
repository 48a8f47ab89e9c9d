// One tail: it follows the changes of its buckets through one change stream for as long as it runs, whatever happens to the stream.
// The invariant: each change is handed over, or `restarted` is called once a stream that starts from now has shown an event. Not before: an
// entry older than the stream's start may still be on its way to a majority, and until then no majority read finds it either. The events
// of a stream come in order, so the first one proves that all before it are there to be read.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../observability/logger.ts'
import type { ChangeDocument } from '../store/changes.ts'
import type { ChangeStreamReader } from '../store/change-stream.ts'
import type { Token } from '../store/feed.ts'

/** Milliseconds. */
export interface TailTimings {
  /** A stream this long without an event is asked for a sign of life. */
  idle: number
  /** It must show the canary within this time of its being written. */
  mute: number
  /** At least this long between two saved tokens. */
  save: number
  /** First and longest wait before the stream is opened again. */
  retry: readonly [number, number]
}
export const tailTimings: TailTimings = {
  idle: 10_000,
  mute: 10_000,
  save: 1_000,
  retry: [100, 10_000],
}

export interface TailPorts {
  /** Opens the stream behind the token, or from now. */
  open(after: Token | undefined): ChangeStreamReader
  isResumable(error: unknown): boolean
  /** Writes the canary that the stream must show. */
  beat(): Promise<void>
  /** In order; never waits for anybody. */
  change(entry: ChangeDocument): void
  /** Everything up to the token was handed over. */
  keep(token: Token): Promise<void>
  /** A stream that starts from now shows events: what came before it may be missing, and can be read. */
  restarted(): void
  failed(reason: 'resumed' | 'restarted' | 'mute'): void
  /** `ready` has changed. */
  turned(ready: boolean): void
}

export interface Tail {
  /** True while the stream shows what is written. */
  ready(): boolean
  /** How often it had to start from now. */
  restarts(): number
  stop(): Promise<void>
}

class Lost extends Error {}

/** @param token where to resume; undefined: from now */
export function startTail(
  token: Token | undefined,
  ports: TailPorts,
  logger: Logger,
  timings = tailTimings,
): Tail {
  const stopping = new AbortController()
  let ready = false
  const turn = (now: boolean) => {
    if (ready === now) return
    ready = now
    ports.turned(now)
  }
  let restarts = 0
  let position = token
  /** What came before the stream is still to be looked for. */
  let blind = token === undefined
  let interrupt: ((error: Error) => void) | undefined

  /** A half-open connection never answers: the wait must end all the same. */
  const interruptible = <T>(promise: Promise<T>) =>
    new Promise<T>((resolve, reject) => {
      interrupt = reject
      promise.then(resolve, reject)
    })

  async function follow(stream: ChangeStreamReader, onEvent: () => void): Promise<void> {
    const saver = startSaver(ports, timings.save, logger)
    stream.onOpen(() => {
      ports.beat().catch((error: unknown) => logger.debug({ err: error }, 'canary not written'))
    })
    while (!stopping.signal.aborted) {
      const event = await interruptible(stream.next())
      if (event?.kind === 'lost') throw new Lost(`the stream ended with ${event.what}`)
      if (event?.kind === 'change') ports.change(event.entry)
      position = stream.token() ?? position
      if (event) onEvent()
      if (position !== undefined) saver(position)
    }
  }

  async function run(): Promise<void> {
    let losses = 0
    let attempt = 0
    while (!stopping.signal.aborted) {
      const stream = ports.open(position)
      const watch = startWatch(ports, timings, () => interrupt?.(new Lost('the stream is mute')))
      try {
        await follow(stream, () => {
          if (blind) ports.restarted()
          blind = false
          turn(true)
          losses = 0
          attempt = 0
          watch.sign()
        })
      } catch (error) {
        if (stopping.signal.aborted) break
        turn(false)
        attempt++
        const resumable = !(error instanceof Lost) && ports.isResumable(error)
        if (!resumable) {
          losses++
          restarts++
          position = undefined
          blind = true
        }
        ports.failed(resumable ? 'resumed' : watch.mute() ? 'mute' : 'restarted')
        // starting from now twice with nothing seen between is a fault that somebody must look at, not a thing to hide
        if (losses > 1)
          logger.error({ err: error, losses }, 'the change stream fails again and again')
        else logger.warn({ err: error, resumable }, 'the change stream failed')
        if (resumable || losses > 1) await pause(backoff(attempt, timings.retry), stopping.signal)
      } finally {
        watch.stop()
        stream.close().catch((error: unknown) => logger.debug({ err: error }, 'stream not closed'))
      }
    }
    turn(false)
  }

  const running = run()
  return {
    ready: () => ready,
    restarts: () => restarts,
    stop: () => {
      stopping.abort()
      interrupt?.(new Error('stopped'))
      return running
    },
  }
}

/** Writes the canary when the stream has been silent, and calls `onMute` when it doesn't show it. */
function startWatch(ports: TailPorts, timings: TailTimings, onMute: () => void) {
  let last = performance.now()
  let written: number | undefined
  let writing = false
  let mute = false
  const check = async () => {
    const now = performance.now()
    if (written !== undefined && now - written > timings.mute) {
      mute = true
      onMute()
    } else if (written === undefined && !writing && now - last > timings.idle) {
      writing = true
      await ports.beat().then(
        () => (written = performance.now()),
        () => undefined, // the database is away: the stream itself will say so
      )
      writing = false
      if (written !== undefined && last > now) written = undefined // its event was faster than the write's answer
    }
  }
  const timer = setInterval(() => void check(), Math.min(timings.idle, timings.mute) / 4)
  return {
    sign: () => {
      last = performance.now()
      written = undefined
    },
    mute: () => mute,
    stop: () => clearInterval(timer),
  }
}

/** Keeps tokens one at a time and not too often; a token that couldn't be kept only means a longer replay. */
function startSaver(ports: TailPorts, everyMs: number, logger: Logger) {
  let saved: Token | undefined
  let saving = false
  let next = 0
  return (token: Token) => {
    if (saving || performance.now() < next || sameToken(token, saved)) return
    saving = true
    ports
      .keep(token)
      .then(() => (saved = token))
      .catch((error: unknown) => logger.debug({ err: error }, 'token not kept'))
      .finally(() => {
        saving = false
        next = performance.now() + everyMs
      })
  }
}

const sameToken = (a: Token | undefined, b: Token | undefined) =>
  JSON.stringify(a) === JSON.stringify(b)

/** Full jitter. */
const backoff = (attempt: number, [first, longest]: readonly [number, number]) =>
  Math.random() * Math.min(longest, first * 2 ** (attempt - 1))

const pause = (ms: number, signal: AbortSignal) =>
  sleep(ms, undefined, { signal }).catch(() => undefined)
