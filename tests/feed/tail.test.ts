// The tail on a scripted stream. Whatever the stream does, each change is delivered, or heads are
// compared.
import { MongoServerError } from 'mongodb'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { startTail, type TailDeps, type TailTimings } from '../../realtime/feed/tail.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import type { ChangeStreamReader, StreamEvent } from '../../realtime/store/change-stream.ts'
import type { ResumeToken } from '../../realtime/store/documents.ts'
import { eventually } from '../harness/eventually.ts'
import type { ChangeDocument } from '../../realtime/store/documents.ts'

const timings: TailTimings = { idleMs: 60, muteMs: 60, saveMs: 0, retryMs: [1, 20] }
const resumable = new Error('resumable')
const historyLost = new Error('286')

const entry = (seq: number) => ({ seq }) as ChangeDocument

/** A database server with one oplog. Tokens are positions in it. */
class ScriptedServer {
  readonly events: StreamEvent[] = []
  /** Each of the next reads of any stream throws one of them. */
  failures: Error[] = []
  /** Tokens below this position are lost. */
  oldest = 0
  mute = false
  /**
   * How many events a majority has. No stream shows more, and no majority read finds more.
   */
  committed = Infinity
  opened: (number | 'now')[] = []
  open = (after: ResumeToken | undefined): ChangeStreamReader => {
    this.opened.push(after === undefined ? 'now' : Number(after))
    let at: number | undefined = after === undefined ? undefined : Number(after)
    let closed = false
    const opened = Promise.withResolvers<void>()
    return {
      onOpen: (callback) => void opened.promise.then(callback),
      next: async () => {
        await new Promise((resolve) => setTimeout(resolve, 1))
        if (closed) throw new Error('closed')
        if (this.mute) return new Promise(() => undefined) // A half-open connection never answers.
        const failure = this.failures.shift()
        if (failure) throw failure
        opened.resolve()
        if (at === undefined) {
          at = this.events.length
          return undefined
        }
        if (at < this.oldest) throw historyLost
        const event = at < this.committed ? this.events[at] : undefined
        if (event) at++
        return event
      },
      token: () => at as ResumeToken | undefined,
      close: () => {
        closed = true
        return Promise.resolve()
      },
    }
  }
}

function tailOf(
  server: ScriptedServer,
  token?: ResumeToken,
  also: Partial<TailDeps> = {},
  logger = createLogger('silent'),
) {
  const delivered: number[] = []
  const saved: ResumeToken[] = []
  const failures: string[] = []
  const heard: string[] = []
  const tail = startTail(
    token,
    {
      openStream: server.open,
      isResumable: (error) => error === resumable,
      writeCanary: () => {
        server.events.push({ kind: 'canary' })
        return Promise.resolve()
      },
      deliver: ({ seq }) => delivered.push(seq),
      saveToken: (savedToken) => {
        saved.push(savedToken)
        return Promise.resolve()
      },
      onStartedFromNow: () => heard.push(`compare after ${server.opened.length} streams`),
      onFailure: (reason) => failures.push(reason),
      onReadyChange: (ready) => heard.push(ready ? 'ready' : 'not ready'),
      ...also,
    },
    logger,
    timings,
  )
  return { tail, delivered, saved, failures, heard, [Symbol.asyncDispose]: () => tail.stop() }
}

test('at its first start, the tail compares heads and is ready once the stream has shown the canary', async () => {
  const server = new ScriptedServer()
  await using run = tailOf(server)
  await eventually(() => run.tail.isReady())
  expect(server.opened).toEqual(['now'])
  expect(run.heard).toEqual(['compare after 1 streams', 'ready'])
  server.events.push({ kind: 'change', entry: entry(1) })
  await eventually(() => run.delivered.length === 1)
})

test('on a full disk, where no canary can be written, the tail is ready once its stream is open', async () => {
  const server = new ScriptedServer()
  const full = new MongoServerError({ message: 'the disk is full', code: 14031 })
  await using run = tailOf(server, undefined, { writeCanary: () => Promise.reject(full) })
  await eventually(() => run.tail.isReady())
  expect(run.heard).toEqual(['ready'])
  server.events.push({ kind: 'change', entry: entry(1) })
  await eventually(() => run.delivered.length === 1)
  expect(run.heard).toEqual(['ready', 'compare after 1 streams'])
})

test('heads are not compared before a majority has what was written before the stream', async () => {
  const server = new ScriptedServer()
  // No stream from now and no majority read shows it yet.
  server.events.push({ kind: 'change', entry: entry(1) })
  server.committed = 0
  await using run = tailOf(server)
  await eventually(() => server.events.some(({ kind }) => kind === 'canary'))
  await eventually(() => run.saved.length > 0) // Idle batches arrive nevertheless.
  expect(run.heard).toEqual([])
  server.committed = Infinity
  await eventually(() => run.tail.isReady())
  expect(run.heard).toEqual(['compare after 1 streams', 'ready'])
})

test('if a stream from now fails before its first event, heads are compared after the next stream shows one', async () => {
  const server = new ScriptedServer()
  server.committed = 0
  await using run = tailOf(server)
  await eventually(() => run.saved.length > 0)
  server.failures.push(resumable)
  await eventually(() => run.failures.length > 0)
  server.committed = Infinity
  await eventually(() => run.tail.isReady())
  expect(server.opened).toEqual(['now', 0])
  expect(run.heard).toEqual(['compare after 2 streams', 'ready'])
})

test('FEED-2 a tail resumes after its saved token, and saves tokens after delivery and on idle batches', async () => {
  const server = new ScriptedServer()
  server.events.push({ kind: 'change', entry: entry(1) }, { kind: 'change', entry: entry(2) })
  const order: string[] = []
  await using run = tailOf(server, 1 as ResumeToken, {
    deliver: ({ seq }) => order.push(`change ${seq}`),
    saveToken: (token) => Promise.resolve(void order.push(`keep ${String(token)}`)),
  })
  await eventually(() => order.includes('keep 3')) // The position after the canary.
  expect(order.slice(0, 2)).toEqual(['change 2', 'keep 2'])
  expect(run.heard).toEqual(['ready'])
})

test('after a resumable failure, the stream continues after the last event', async () => {
  const server = new ScriptedServer()
  await using run = tailOf(server)
  await eventually(() => run.tail.isReady())
  server.events.push({ kind: 'change', entry: entry(1) })
  await eventually(() => run.delivered.length === 1)
  server.failures.push(resumable, resumable, resumable)
  server.events.push({ kind: 'change', entry: entry(2) })
  await eventually(() => run.delivered.length === 2)
  await eventually(() => run.tail.isReady())
  expect(run.failures).toEqual(['resumed', 'resumed', 'resumed'])
  expect(run.tail.restarts()).toBe(0)
  expect(server.opened.filter((after) => after === 'now')).toHaveLength(1)
})

test('FEED-3 after lost history, a stream is opened from now and heads are compared', async () => {
  const server = new ScriptedServer()
  server.events.push({ kind: 'change', entry: entry(1) })
  server.oldest = 1
  await using run = tailOf(server, 0 as ResumeToken)
  await eventually(() => run.tail.isReady())
  expect(server.opened).toEqual([0, 'now'])
  expect(run.heard).toEqual(['compare after 2 streams', 'ready'])
  expect(run.failures).toEqual(['restarted'])
  server.events.push({ kind: 'change', entry: entry(2) })
  await eventually(() => run.delivered.includes(2))
})

test('FEED-3 after an invalidated stream, a stream is opened from now and heads are compared', async () => {
  const server = new ScriptedServer()
  await using run = tailOf(server)
  await eventually(() => run.tail.isReady())
  server.events.push({ kind: 'lost', what: 'invalidate' })
  await eventually(() => run.tail.restarts() === 1 && run.tail.isReady())
  expect(run.heard).toEqual([
    'compare after 1 streams',
    'ready',
    'not ready',
    'compare after 2 streams',
    'ready',
  ])
})

test('FEED-3 a mute stream is replaced, even if its connection never answers', async () => {
  const server = new ScriptedServer()
  await using run = tailOf(server)
  await eventually(() => run.tail.isReady())
  server.mute = true
  await eventually(() => run.failures.includes('mute'))
  expect(run.tail.isReady()).toBe(false)
  server.mute = false
  await eventually(() => run.tail.isReady())
  expect(run.heard.filter((what) => what.startsWith('compare')).length).toBeGreaterThanOrEqual(2)
})

test('a stream without changes is kept as long as it shows the canary', async () => {
  const server = new ScriptedServer()
  await using run = tailOf(server)
  await eventually(() => server.events.filter(({ kind }) => kind === 'canary').length > 4)
  expect(run.failures).toEqual([])
  expect(server.opened).toEqual(['now'])
})

test('a failed write of the canary does not count as a mute stream', async () => {
  const server = new ScriptedServer()
  let beats = 0
  await using run = tailOf(server, undefined, {
    writeCanary: () => (beats++, Promise.reject(new Error('away'))),
  })
  await eventually(() => beats > 4)
  expect(run.failures).toEqual([])
})

test('FEED-4 failures without an event between them are logged as errors and back off, and the tail is not ready', async () => {
  const server = new ScriptedServer()
  server.failures = Array.from({ length: 5 }, () => new Error('not resumable'))
  const lines: { level: number; losses?: number }[] = []
  const logger = pino(
    {},
    { write: (line: string) => void lines.push(JSON.parse(line) as { level: number }) },
  )
  const readiness: boolean[] = []
  await using run = tailOf(
    server,
    undefined,
    { onFailure: () => readiness.push(run.tail.isReady()) },
    logger,
  )
  await eventually(() => run.tail.isReady())
  expect(run.tail.restarts()).toBe(5)
  expect(readiness).toEqual([false, false, false, false, false])
  expect(lines.flatMap(({ losses }) => losses ?? [])).toEqual([2, 3, 4, 5])
})

test('stop ends a stream that never answers', async () => {
  const server = new ScriptedServer()
  const run = tailOf(server)
  await eventually(() => run.tail.isReady())
  server.mute = true
  await run.tail.stop()
  expect(run.tail.isReady()).toBe(false)
})
