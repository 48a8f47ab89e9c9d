// What happened on this device, for developers: a bounded log, and the way of each command from the
// key press to every device. Devices that record tell each other which changes they have
// (`trace` in SPEC.md). Times of two devices are never compared: the device that issued a
// command measures until the reports of the others arrive, and tells what it has measured.
import type { Engine } from '@lockstep/client'
import type { Trace, WireChange } from '@lockstep/client/protocol'
import { createKeyPresses } from './key-presses.ts'
import { Ring } from './ring.ts'
import type { Frame, Wire } from './wire.ts'

export type EntryKind =
  | 'issued'
  | 'sent'
  | 'acked'
  | 'refused'
  | 'change'
  | 'rebased'
  | 'gap'
  | 'reset'
  | 'connected'
  | 'disconnected'

export interface LogEntry {
  readonly id: number
  /** Milliseconds since the Unix epoch, by the clock of this device. */
  readonly at: number
  readonly kind: EntryKind
  readonly topic: string
  readonly seq?: number
  /** The op of a change, or the command. */
  readonly name?: string
  /** Who made the change. */
  readonly device?: string
  readonly trace_id?: string
  /** The payload as JSON, cut at `MAX_TEXT` characters. */
  readonly text?: string
}

export type Timings = NonNullable<Trace['timings']>

/** A command on its way to every device. */
export interface TraceView {
  readonly trace_id: string
  /** The device that issued it; undefined: this one. */
  readonly device?: string
  readonly command?: string
  readonly topic?: string
  readonly seq?: number
  readonly isRefused?: boolean
  /** Milliseconds since the key press. */
  readonly timings: Timings
}

export interface Recorder {
  /** Oldest first. */
  readonly log: readonly LogEntry[]
  readonly traces: readonly TraceView[]
  /** Calls back after something was recorded. Returns the function that ends this. */
  subscribe(listener: () => void): () => void
  clear(): void
  stop(): void
}

const MAX_ENTRIES = 300
const MAX_TRACES = 100
const MAX_TEXT = 8_000
const MAX_DEVICES = 50
const MAX_MS = 3_600_000
/** Reports of this device per second. More would take from what a user may send. */
const MAX_REPORTS = 10
/** The issuing device waits this long for more news before it tells what it has measured (ms). */
const PAUSE_MS = 300

type Change = Pick<WireChange, 'topic' | 'seq' | 'op' | 'entity_id' | 'actor' | 'mutation_id'>

/** @param wire the one that the engine was made with */
export const startRecorder = (engine: Engine, wire: Wire): Recorder =>
  new LocalRecorder(engine, wire)

class LocalRecorder implements Recorder {
  readonly #engine: Engine
  readonly #wire: Wire
  readonly #log = new Ring<string, LogEntry>(MAX_ENTRIES)
  readonly #traces = new Ring<string, TraceView>(MAX_TRACES)
  readonly #listeners = new Set<() => void>()
  /** When the key was pressed, of this device's commands. */
  readonly #pressed = new Ring<string, number>(MAX_TRACES)
  readonly #keys = createKeyPresses()
  readonly #due = new Set<string>()
  /** Changes that the engine keeps until those before them have come. */
  #waiting: Change[] = []
  #timer: ReturnType<typeof setTimeout> | undefined
  #reports = 0
  #reportsSince = 0
  #count = 0
  #user_id: string | undefined
  readonly #ends: (() => void)[]

  constructor(engine: Engine, wire: Wire) {
    this.#engine = engine
    this.#wire = wire
    this.#ends = [
      engine.subscribe(() => this.#look()),
      wire.listen((frame) => this.#hear(frame)),
      () => this.#keys.stop(),
    ]
    this.#look()
    wire.send('account', 'trace', { trace_id: null })
  }

  get log(): readonly LogEntry[] {
    return this.#log.values
  }
  get traces(): readonly TraceView[] {
    return this.#traces.values
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  clear(): void {
    for (const ring of [this.#log, this.#traces, this.#pressed]) ring.clear()
    this.#changed()
  }

  stop(): void {
    clearTimeout(this.#timer)
    for (const end of this.#ends) end()
  }

  /** The engine has changed: what it has issued, and whose data it holds. */
  #look(): void {
    const { state } = this.#engine
    const user_id = state.name === 'ready' ? state.user.id : undefined
    // Nothing of a user outlives the session.
    if (this.#user_id !== user_id) this.clear()
    this.#user_id = user_id
    for (const { mutation_id, topic, command } of this.#engine.outbox)
      this.#issued(mutation_id, topic, command)
    this.#settle()
  }

  #issued(trace_id: string, topic: string, command: string): void {
    if (this.#pressed.get(trace_id) !== undefined) return
    this.#pressed.set(trace_id, this.#keys.last())
    this.#traces.set(trace_id, { trace_id, topic, command, timings: {} })
    this.#note({ kind: 'issued', topic, name: command, trace_id })
  }

  #hear(frame: Frame): void {
    if (frame.kind !== 'received') return this.#command(frame)
    const { topic, event, payload } = frame
    // Assertions: the server's payloads are what the contract says, as for the engine.
    if (event === 'change') this.#received(payload as Change, true)
    else if (event === 'sync') this.#synced(topic, payload as { changes: Change[]; reset: boolean })
    else if (event === 'trace') this.#reported(payload as Trace)
    else if (event === 'disconnect' || event === 'connect_error')
      this.#note({ kind: 'disconnected', topic, name: event })
    this.#settle()
  }

  #command({ topic, kind, event, payload, answer }: Frame): void {
    // Assertions: the engine has sent it, and the server answers as the contract says.
    const { mutation_id: trace_id } = payload as { mutation_id?: string }
    const ack = answer as { ok: boolean; seq?: number; data?: { changes?: Change[] } } | undefined
    if (event === 'range' && kind === 'ack')
      for (const change of ack?.data?.changes ?? []) this.#received(change, false)
    if (trace_id === undefined) return
    const text = textOf(kind === 'sent' ? payload : answer)
    if (kind === 'sent') {
      this.#issued(trace_id, topic, event)
      this.#note({ kind: 'sent', topic, name: event, trace_id, text })
      return this.#measure(trace_id, 'sent')
    }
    const seq = ack?.seq
    this.#note({ kind: ack?.ok ? 'acked' : 'refused', topic, name: event, trace_id, seq, text })
    this.#update(trace_id, { seq, isRefused: ack?.ok ? undefined : true })
    this.#measure(trace_id, 'acked')
  }

  #synced(topic: string, { changes, reset }: { changes: Change[]; reset: boolean }): void {
    this.#note({ kind: reset ? 'reset' : 'connected', topic })
    for (const change of changes) this.#received(change, false)
    if (topic === 'account') this.#wire.send('account', 'trace', { trace_id: null })
  }

  /** @param isLive whether it has come at once, so that its way was measured and not an absence */
  #received(change: Change, isLive: boolean): void {
    const { topic, seq, op, entity_id, actor, mutation_id: trace_id } = change
    const { device, session_id } = actor
    this.#note({ kind: 'change', topic, seq, name: op, device, trace_id, text: textOf(change) })
    const isOwn = trace_id !== undefined && this.#pressed.get(trace_id) !== undefined
    // The server's own changes are not measured. A reply has many of them.
    const isMeasured = session_id !== null && (isLive || isOwn)
    // The device that issued it may have told its times already.
    if (trace_id !== undefined && isMeasured && !isOwn) {
      const { timings = {} } = this.#traces.get(trace_id) ?? {}
      this.#traces.set(trace_id, { trace_id, device, topic, command: op, seq, timings })
    }
    const rebased = this.#engine.outbox.filter(
      (command) =>
        command.topic === topic && [entity_id, topic].includes(command.entity_id) && !isOwn,
    )
    for (const command of rebased)
      this.#note({
        ...{ kind: 'rebased', topic, seq, device },
        ...{ name: command.command, trace_id: command.mutation_id },
      })
    if (!this.#isApplied(change)) this.#note({ kind: 'gap', topic, seq, name: op, device })
    if (trace_id !== undefined && isMeasured) this.#waiting.push(change)
  }

  #isApplied({ topic, seq }: Change): boolean {
    const held = this.#engine[topic].cursor?.seq
    return held !== undefined && held >= seq
  }

  /** Measures the changes that the engine has applied by now. */
  #settle(): void {
    const applied = this.#waiting.filter((change) => this.#isApplied(change))
    if (applied.length === 0) return
    this.#waiting = this.#waiting.filter((change) => !applied.includes(change))
    for (const { mutation_id: trace_id, seq } of applied) {
      if (trace_id === undefined) continue
      this.#update(trace_id, { seq })
      if (this.#pressed.get(trace_id) !== undefined) this.#measure(trace_id, 'applied')
      else if (this.#mayReport()) this.#wire.send('account', 'trace', { trace_id })
    }
  }

  /** Another device has a change, or tells what it has measured. */
  #reported({ trace_id, device, timings }: Trace): void {
    if (timings) {
      const known = this.#traces.get(trace_id)
      this.#traces.set(trace_id, { ...known, trace_id, device, timings })
      return this.#changed()
    }
    const pressed = this.#pressed.get(trace_id)
    const devices = this.#traces.get(trace_id)?.timings.devices ?? []
    if (pressed === undefined || devices.length >= MAX_DEVICES) return
    this.#time(trace_id, { devices: [...devices, { device, ms: since(pressed) }] })
  }

  #measure(trace_id: string, moment: 'sent' | 'acked' | 'applied'): void {
    const pressed = this.#pressed.get(trace_id)
    // A command that is sent again keeps its first times.
    if (pressed === undefined || this.#traces.get(trace_id)?.timings[moment] !== undefined) return
    this.#time(trace_id, { [moment]: since(pressed) })
  }

  #time(trace_id: string, news: Timings): void {
    const trace = this.#traces.get(trace_id)
    if (!trace) return
    this.#update(trace_id, { timings: { ...trace.timings, ...news } })
    this.#due.add(trace_id)
    this.#timer ??= setTimeout(() => this.#publish(), PAUSE_MS)
  }

  /** Tells the others what this device has measured. */
  #publish(): void {
    this.#timer = undefined
    const due = [...this.#due]
    this.#due.clear()
    for (const trace_id of due) {
      const timings = this.#traces.get(trace_id)?.timings
      if (timings && this.#mayReport()) this.#wire.send('account', 'trace', { trace_id, timings })
    }
  }

  /** Nobody is told if nobody else is there. */
  #mayReport(): boolean {
    if (this.#engine.account.presence.size === 0) return false
    const now = performance.now()
    if (now - this.#reportsSince > 1_000) [this.#reports, this.#reportsSince] = [0, now]
    return this.#reports++ < MAX_REPORTS
  }

  #update(trace_id: string, news: Partial<TraceView>): void {
    const trace = this.#traces.get(trace_id)
    if (!trace) return
    const { seq = trace.seq, ...rest } = news
    this.#traces.set(trace_id, { ...trace, ...rest, seq })
    this.#changed()
  }

  #note(entry: Omit<LogEntry, 'id' | 'at'>): void {
    const id = this.#count++
    this.#log.set(String(id), { id, at: Date.now(), ...entry })
    this.#changed()
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }
}

const since = (moment: number): number =>
  Math.min(MAX_MS, Math.max(0, Math.round(performance.now() - moment)))

const textOf = (value: unknown): string => (JSON.stringify(value) ?? '').slice(0, MAX_TEXT)
