// The device's state machine alone. Its network and its log move only when the test says so.
import { expect } from 'vitest'
import type { WireChange } from '@lockstep/protocol/change'
import type { Cursor } from '@lockstep/protocol/cursor'
import { Fault } from '@lockstep/protocol/errors'
import type { Sync } from '@lockstep/protocol/sync'
import { Device } from '../../realtime/gateway/device.ts'
import { ScriptedLog } from './scripted-log.ts'

export const USER = 'user'
export type Emitted =
  | { event: 'sync'; sync: Sync }
  | { event: 'change'; change: WireChange }
  | { event: 'head' | 'delta' }

/** Creates a device on the log. */
export function deviceOn(log: ScriptedLog, limits = { changes: 4, bytes: 1_000_000 }) {
  const emitted: Emitted[] = []
  const held: (() => void)[] = []
  let waiting: (() => void)[] = []
  let paused = false
  let away = false
  let orphaned = false
  /** Events that the network has taken since the last `pause` or `drain`. */
  let taken = 0
  const guarded = async <T>(read: () => Promise<T>): Promise<T> => {
    await new Promise<void>((resolve) => held.push(resolve))
    if (away) throw new Fault('unavailable')
    return read()
  }
  const device = new Device({
    output: {
      emit: (event, payload) => {
        taken++
        if (event === 'sync') emitted.push({ event, sync: payload as Sync })
        else if (event === 'change') emitted.push({ event, change: payload as WireChange })
        else emitted.push({ event: event as 'head' })
      },
      isBusy: () => paused && taken >= 1,
      whenFree: (callback) => waiting.push(callback),
    },
    limits,
    readHead: () =>
      guarded(async () =>
        (await log.heads([`${USER}:conversations`])).get(`${USER}:conversations`)!,
      ),
    readRange: (after) => guarded(() => log.range(USER, 'conversations', after)),
    pause: () => Promise.resolve(),
    onStateChange: () => undefined,
    onUserGone: () => (orphaned = true),
  })
  const settle = async () => {
    for (let i = 0; i < 20; i++) await Promise.resolve()
  }
  return {
    device,
    emitted,
    settle,
    /** Lets one waiting read of the log happen. */
    async read() {
      held.shift()?.()
      await settle()
    },
    /** Lets reads happen until none is waiting. */
    async readAll() {
      for (let i = 0; i < 100 && held.length > 0; i++) await this.read()
      await settle()
    },
    /** The network takes one more event and is busy from then on. */
    pause() {
      paused = true
      taken = 0
    },
    /** The network takes everything again. */
    drain() {
      paused = false
      taken = 0
      const callbacks = waiting
      waiting = []
      for (const callback of callbacks) callback()
    },
    /** From now on, reads fail, or succeed again. */
    setAway: (isAway: boolean) => (away = isAway),
    orphaned: () => orphaned,
  }
}

/**
 * Follows the events as a client does that obeys its rule. Returns the client's cursor and the
 * number of resets. Fails if the events are not contiguous.
 */
export function follow(emitted: readonly Emitted[], start: Cursor | undefined) {
  let at = start
  let resets = 0
  for (const item of emitted) {
    if (item.event === 'sync') {
      const { epoch, from, to, changes, reset } = item.sync
      if (reset || at === undefined) {
        if (reset) resets++
        at = { epoch, seq: from }
      }
      expect({ epoch, seq: from }).toEqual(at)
      expect(changes.map(({ seq }) => seq)).toEqual(
        Array.from({ length: to - from }, (_, i) => from + i + 1),
      )
      at = { epoch, seq: to }
    } else if (item.event === 'change') {
      expect(at, 'a change before the first sync').toBeDefined()
      expect({ epoch: item.change.epoch, seq: item.change.seq }).toEqual({
        epoch: at!.epoch,
        seq: at!.seq + 1,
      })
      at = { epoch: item.change.epoch, seq: item.change.seq }
    }
  }
  return { at, resets }
}

export const syncs = (emitted: readonly Emitted[]) =>
  emitted.flatMap((item) => (item.event === 'sync' ? item.sync : []))
export const names = (emitted: readonly Emitted[]) => emitted.map(({ event }) => event)

export function logOf(length: number): ScriptedLog {
  const log = new ScriptedLog()
  for (let i = 0; i < length; i++) log.append(USER)
  return log
}
