// The tail's supervisor against a scripted stream: whatever the stream does, each change is handed over or heads are compared.
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

/** A server with one oplog; tokens are positions in it. */
class ScriptedServer {
  readonly events: StreamEvent[] = []
  /** Thrown by the next reads of any stream, one each. */
  failures: Error[] = []
  /** Tokens below it are lost. */
  oldest = 0
  mute = false
  /** Events that a majority has: no stream shows more, and no majority read finds more. */
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
        if (this.mute) return new Promise(() => undefined) // a half-open connection
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
  const handed: number[] = []
  const kept: ResumeToken[] = []
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
      deliver: ({ seq }) => handed.push(seq),
      saveToken: (saved) => {
        kept.push(saved)
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
  return { tail, handed, kept, failures, heard, [Symbol.asyncDispose]: () => tail.stop() }
}

test('a first start opens the stream, then compares heads and is ready, once the stream shows the canary', async () => {
  const server = new ScriptedServer()
  await using run = tailOf(server)
  await eventually(() => run.tail.isReady())
  expect(server.opened).toEqual(['now'])
  expect(run.heard).toEqual(['compare after 1 streams', 'ready'])
  server.events.push({ kind: 'change', entry: entry(1) })
  await eventually(() => run.handed.length === 1)
})

test('heads are compared no earlier than a majority has what was written before the stream', async () => {
  const server = new ScriptedServer()
  server.events.push({ kind: 'change', entry: entry(1) }) // in no stream from now, and in no majority read yet
  server.committed = 0
  await using run = tailOf(server)
  await eventually(() => server.events.some(({ kind }) => kind === 'canary'))
  await eventually(() => run.kept.length > 0) // idle batches come all the same
  expect(run.heard).toEqual([])
  server.committed = Infinity
  await eventually(() => run.tail.isReady())
  expect(run.heard).toEqual(['compare after 1 streams', 'ready'])
})

test('a stream from now that breaks before it shows anything leaves the comparison to the one that follows it', async () => {
  const server = new ScriptedServer()
  server.committed = 0
  await using run = tailOf(server)
  await eventually(() => run.kept.length > 0)
  server.failures.push(resumable)
  await eventually(() => run.failures.length > 0)
  server.committed = Infinity
  await eventually(() => run.tail.isReady())
  expect(server.opened).toEqual(['now', 0])
  expect(run.heard).toEqual(['compare after 2 streams', 'ready'])
})

test('FEED-2 a saved token resumes behind it, and is kept after the work is done and on idle batches', async () => {
  const server = new ScriptedServer()
  server.events.push({ kind: 'change', entry: entry(1) }, { kind: 'change', entry: entry(2) })
  const order: string[] = []
  await using run = tailOf(server, 1 as ResumeToken, {
    deliver: ({ seq }) => order.push(`change ${seq}`),
    saveToken: (token) => Promise.resolve(void order.push(`keep ${String(token)}`)),
  })
  await eventually(() => order.includes('keep 3')) // behind the canary
  expect(order.slice(0, 2)).toEqual(['change 2', 'keep 2'])
  expect(run.heard).toEqual(['ready'])
})

test('a resumable failure goes on behind the last event', async () => {
  const server = new ScriptedServer()
  await using run = tailOf(server)
  await eventually(() => run.tail.isReady())
  server.events.push({ kind: 'change', entry: entry(1) })
  await eventually(() => run.handed.length === 1)
  server.failures.push(resumable, resumable, resumable)
  server.events.push({ kind: 'change', entry: entry(2) })
  await eventually(() => run.handed.length === 2)
  await eventually(() => run.tail.isReady())
  expect(run.failures).toEqual(['resumed', 'resumed', 'resumed'])
  expect(run.tail.restarts()).toBe(0)
  expect(server.opened.filter((after) => after === 'now')).toHaveLength(1)
})

test('FEED-3 lost history ends in a stream from now and a comparison of heads', async () => {
  const server = new ScriptedServer()
  server.events.push({ kind: 'change', entry: entry(1) })
  server.oldest = 1
  await using run = tailOf(server, 0 as ResumeToken)
  await eventually(() => run.tail.isReady())
  expect(server.opened).toEqual([0, 'now'])
  expect(run.heard).toEqual(['compare after 2 streams', 'ready'])
  expect(run.failures).toEqual(['restarted'])
  server.events.push({ kind: 'change', entry: entry(2) })
  await eventually(() => run.handed.includes(2))
})

test('FEED-3 an invalidated stream ends in a stream from now and a comparison of heads', async () => {
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

test('FEED-3 a stream that opens but stays mute is replaced, even when its connection never answers', async () => {
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

test('a stream without changes stays, as long as it shows the canary', async () => {
  const server = new ScriptedServer()
  await using run = tailOf(server)
  await eventually(() => server.events.filter(({ kind }) => kind === 'canary').length > 4)
  expect(run.failures).toEqual([])
  expect(server.opened).toEqual(['now'])
})

test('a database that takes no canary says nothing about the stream', async () => {
  const server = new ScriptedServer()
  let beats = 0
  await using run = tailOf(server, undefined, {
    writeCanary: () => (beats++, Promise.reject(new Error('away'))),
  })
  await eventually(() => beats > 4)
  expect(run.failures).toEqual([])
})

test('FEED-4 failures with no event between them are errors, back off, and the tail is not ready meanwhile', async () => {
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

test('stopping ends a stream that never answers', async () => {
  const server = new ScriptedServer()
  const run = tailOf(server)
  await eventually(() => run.tail.isReady())
  server.mute = true
  await run.tail.stop()
  expect(run.tail.isReady()).toBe(false)
})
