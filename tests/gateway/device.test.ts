// The device's state machine, step by step.
import { describe, expect, test } from 'vitest'
import { deviceOn, follow, logOf, names, syncs, USER } from './scripted-device.ts'
import { changeOf, EPOCH, ScriptedLog } from './scripted-log.ts'

/** A log whose heads or ranges are read at once and returned later, when `answer` resolves. */
class LateLog extends ScriptedLog {
  readonly answer = Promise.withResolvers<void>()
  readonly #lateRead: 'heads' | 'range'

  constructor(lateRead: 'heads' | 'range') {
    super()
    this.#lateRead = lateRead
  }

  override async heads(keys: readonly string[]) {
    const found = await super.heads(keys)
    if (this.#lateRead === 'heads') await this.answer.promise
    return found
  }

  override async range(...asked: Parameters<ScriptedLog['range']>) {
    const found = await super.range(...asked)
    if (this.#lateRead === 'range') await this.answer.promise
    return found
  }
}

describe('joining', () => {
  test('without a cursor: an empty sync at the head', async () => {
    const run = deviceOn(logOf(3))
    void run.device.join(undefined)
    await run.readAll()
    expect(syncs(run.emitted)).toEqual([
      { epoch: EPOCH, from: 3, to: 3, changes: [], more: false, reset: false },
    ])
    expect(run.device.state).toBe('live')
  })

  test('with a cursor: everything after it, in several syncs', async () => {
    const log = logOf(5)
    log.rangeLimit = 2
    const run = deviceOn(log)
    void run.device.join({ epoch: EPOCH, seq: 1 })
    await run.readAll()
    expect(syncs(run.emitted).map(({ from, to, more }) => ({ from, to, more }))).toEqual([
      { from: 1, to: 3, more: true },
      { from: 3, to: 5, more: false },
    ])
  })

  test.for([
    ['of a foreign epoch', { epoch: 'other', seq: 1 }, 0],
    ['above the head', { epoch: EPOCH, seq: 9 }, 0],
    ['older than retention', { epoch: EPOCH, seq: 1 }, 2],
  ] as const)('with a cursor %s: a reset to the head', async ([, since, expired]) => {
    const log = logOf(4)
    log.expiredSeq = expired
    const run = deviceOn(log)
    void run.device.join(since)
    await run.readAll()
    expect(syncs(run.emitted)).toEqual([
      { epoch: EPOCH, from: 4, to: 4, changes: [], more: false, reset: true },
    ])
    run.device.offer(log.append(USER))
    expect(names(run.emitted)).toEqual(['sync', 'change'])
  })

  test('GATE-1 changes that arrive while the log is read follow the sync, once', async () => {
    const log = logOf(2)
    const run = deviceOn(log)
    void run.device.join({ epoch: EPOCH, seq: 0 })
    await run.read() // The head is 2.
    run.device.offer(log.append(USER))
    await run.read() // The log is read up to 3.
    const fourth = log.append(USER)
    run.device.offer(fourth)
    run.device.offer(fourth)
    await run.readAll()
    expect(names(run.emitted)).toEqual(['sync', 'change'])
    expect(follow(run.emitted, { epoch: EPOCH, seq: 0 }).at).toEqual({ epoch: EPOCH, seq: 4 })
  })

  test.for([
    ['range', { epoch: EPOCH, seq: 0 }, [1, 2]],
    ['heads', undefined, []],
  ] as const)(
    'GATE-1 a change that arrives between the read of %s and its answer is buffered',
    async ([late, since, caughtUp]) => {
      const log = new LateLog(late)
      for (let i = 0; i < 2; i++) log.append(USER)
      const run = deviceOn(log)
      void run.device.join(since)
      await run.readAll() // The log has been read but has not answered.
      const third = log.append(USER)
      run.device.offer(third)
      log.answer.resolve()
      await run.readAll()
      expect(names(run.emitted)).toEqual(['sync', 'change'])
      expect(syncs(run.emitted)[0]!.changes.map(({ seq }) => seq)).toEqual(caughtUp)
      expect(follow(run.emitted, since).at).toEqual({ epoch: EPOCH, seq: 3 })
      expect(run.device.state).toBe('live')
    },
  )

  test('a database that is away delays the sync, and nothing is lost', async () => {
    const log = logOf(2)
    const run = deviceOn(log)
    run.setAway(true)
    void run.device.join({ epoch: EPOCH, seq: 0 })
    await run.read()
    await run.read()
    expect(run.emitted).toEqual([])
    run.setAway(false)
    await run.readAll()
    expect(follow(run.emitted, { epoch: EPOCH, seq: 0 }).at?.seq).toBe(2)
  })

  test('a device that leaves while it joins gets nothing', async () => {
    const run = deviceOn(logOf(2))
    void run.device.join({ epoch: EPOCH, seq: 0 })
    run.device.leave()
    await run.readAll()
    expect(run.emitted).toEqual([])
    expect(run.device.state).toBe('gone')
  })
})

describe('live', () => {
  async function live(log: ScriptedLog) {
    const run = deviceOn(log)
    void run.device.join(undefined)
    await run.readAll()
    run.emitted.length = 0
    return run
  }

  test('GATE-2 repeated and old changes are dropped', async () => {
    const log = logOf(2)
    const run = await live(log)
    const third = log.append(USER)
    for (const change of [changeOf(1), third, third, changeOf(2)]) run.device.offer(change)
    expect(names(run.emitted)).toEqual(['change'])
  })

  test('GATE-3 a gap is filled by a sync', async () => {
    const log = logOf(2)
    const run = await live(log)
    log.append(USER)
    run.device.offer(log.append(USER))
    await run.readAll()
    expect(syncs(run.emitted)).toMatchObject([{ from: 2, to: 4 }])
    expect(run.device.state).toBe('live')
  })

  test('GATE-5 a head above its cursor makes the device catch up, an equal head does not', async () => {
    const log = logOf(2)
    const run = await live(log)
    expect(run.device.catchUpTo({ epoch: EPOCH, seq: 2 })).toBe(false)
    log.append(USER)
    expect(run.device.catchUpTo({ epoch: EPOCH, seq: 3 })).toBe(true)
    await run.readAll()
    expect(syncs(run.emitted)).toMatchObject([{ from: 2, to: 3 }])
  })

  test('a log with a new epoch causes a reset', async () => {
    const log = logOf(2)
    const run = await live(log)
    log.epoch = 'epoch-2'
    run.device.offer(log.append(USER))
    await run.readAll()
    expect(syncs(run.emitted)).toMatchObject([{ epoch: 'epoch-2', from: 3, reset: true }])
  })

  test('GATE-4 a slow device first buffers changes, then drops them, and gets one sync when the network is free', async () => {
    const log = logOf(1)
    const run = await live(log)
    run.pause()
    // The network takes one, four are buffered.
    for (let i = 0; i < 5; i++) run.device.offer(log.append(USER))
    expect(run.device.state).toBe('live')
    for (let i = 0; i < 50; i++) run.device.offer(log.append(USER))
    expect(run.device.state).toBe('lagging')
    expect(names(run.emitted)).toEqual(['change'])
    run.drain()
    await run.readAll()
    expect(names(run.emitted)).toEqual(['change', 'sync'])
    expect(follow(run.emitted, { epoch: EPOCH, seq: 1 }).at?.seq).toBe(56)
  })

  test('deltas go only to a device that is up to date', async () => {
    const log = logOf(1)
    const run = await live(log)
    const delta = {
      entity_id: changeOf(1).entity_id,
      run_id: changeOf(1).entity_id,
      offset: 0,
      text: 'x',
    }
    run.device.sendDelta(delta)
    run.pause()
    run.device.offer(log.append(USER))
    run.device.sendDelta(delta) // The network is busy.
    run.drain()
    log.append(USER)
    run.device.catchUpTo({ epoch: EPOCH, seq: 3 })
    run.device.sendDelta(delta) // The device is being caught up.
    expect(names(run.emitted)).toEqual(['delta', 'change'])
  })
})
