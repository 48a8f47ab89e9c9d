// The panel for developers. It shows what a recorder has recorded, and the engine's outbox.
import type { Engine, OutboxItem } from '@lockstep/client'
import { panelStyle } from './panel-style.ts'
import type { LogEntry, Recorder, TraceView } from './recorder.ts'
import { create, createRows, type Cell } from './rows.ts'
import { english, type Texts } from './texts.ts'

/** The panel is drawn at most this often (ms). */
const DRAW_MS = 100

export interface PanelDeps {
  engine: Engine
  recorder: Recorder
  /** Where the panel is shown. */
  element: HTMLElement
}

export interface PanelOptions {
  /** The words in the page's language. Default: English. */
  texts?: Texts
}

/** Returns the function that removes the panel. The recorder goes on. */
export function mountDevtools(
  { engine, recorder, element }: PanelDeps,
  { texts = english }: PanelOptions = {},
): () => void {
  const host = create('div')
  const shadow = host.attachShadow({ mode: 'open' })
  const style = new CSSStyleSheet()
  style.replaceSync(panelStyle)
  shadow.adoptedStyleSheets = [style]
  const traces = tracesTable(texts)
  const outbox = outboxTable(texts)
  const log = logTable(texts)
  let isPaused = false
  const draw = () => {
    if (isPaused) return
    traces.show(recorder.traces.toReversed())
    outbox.show(engine.outbox)
    log.show(recorder.log.toReversed())
  }
  const pause = create('button', texts.pause)
  pause.onclick = () => {
    isPaused = !isPaused
    pause.textContent = isPaused ? texts.resume : texts.pause
    draw()
  }
  const clear = create('button', texts.clear)
  clear.onclick = () => {
    recorder.clear()
    isPaused = false
    pause.textContent = texts.pause
    draw()
  }
  const hint = Object.assign(create('p', texts.latencyHint), { className: 'hint' })
  shadow.append(
    section(texts.latency, [pause, clear], hint, traces.element),
    section(texts.outbox, [], outbox.element),
    section(texts.log, [], log.element),
  )
  element.append(host)
  draw()
  const ends = drawSeldom(draw, [recorder.subscribe.bind(recorder), engine.subscribe])
  return () => {
    ends.forEach((end) => end())
    host.remove()
  }
}

type Subscribe = (listener: () => void) => () => void

function drawSeldom(draw: () => void, sources: readonly Subscribe[]): (() => void)[] {
  let timer: ReturnType<typeof setTimeout> | undefined
  const soon = () => {
    timer ??= setTimeout(() => {
      timer = undefined
      draw()
    }, DRAW_MS)
  }
  return [...sources.map((subscribe) => subscribe(soon)), () => clearTimeout(timer)]
}

function section(title: string, buttons: HTMLElement[], ...content: HTMLElement[]): HTMLElement {
  const header = create('header')
  header.append(create('h2', title), ...buttons)
  const element = create('section')
  element.append(header, ...content)
  return element
}

const tracesTable = (texts: Texts) =>
  createRows<TraceView>({
    caption: texts.latency,
    none: texts.none,
    columns: [
      ...[texts.what, texts.device, texts.sentAfter, texts.ackedAfter, texts.appliedAfter],
      ...[texts.devicesAfter, texts.seq, texts.trace],
    ],
    keyOf: ({ trace_id }) => trace_id,
    cellsOf: ({ trace_id, device, topic, command, seq, isRefused, timings }) => [
      { text: [topic, command].filter(Boolean).join(' ') },
      { text: device ?? texts.thisDevice },
      { text: ms(timings.sent) },
      { text: isRefused ? `${ms(timings.acked)} (${texts.refused})` : ms(timings.acked) },
      { text: ms(timings.applied) },
      {
        text: (timings.devices ?? []).map((other) => `${other.device} ${ms(other.ms)}`).join(', '),
      },
      { text: String(seq ?? '') },
      shortId(trace_id),
    ],
  })

const outboxTable = (texts: Texts) =>
  createRows<OutboxItem>({
    caption: texts.outbox,
    none: texts.none,
    columns: [texts.time, texts.topic, texts.what, texts.status, texts.trace],
    keyOf: ({ mutation_id }) => mutation_id,
    cellsOf: ({ at, topic, command, status, problem, mutation_id }) => [
      { text: timeOf(Date.parse(at)) },
      { text: topic },
      { text: command },
      { text: problem ? `${status}: ${problem.code}` : status },
      shortId(mutation_id),
    ],
  })

const logTable = (texts: Texts) =>
  createRows<LogEntry>({
    caption: texts.log,
    none: texts.none,
    columns: [
      ...[texts.time, texts.kind, texts.topic, texts.seq],
      ...[texts.what, texts.device, texts.trace],
    ],
    keyOf: ({ id }) => String(id),
    cellsOf: ({ at, kind, topic, seq, name = '', device = '', trace_id, text }) => [
      { text: timeOf(at) },
      { text: texts[kind] },
      { text: topic },
      { text: String(seq ?? '') },
      { text: name, opens: text },
      { text: device },
      trace_id === undefined ? { text: '' } : shortId(trace_id),
    ],
  })

/** UUIDv7s of the same moment differ at their ends. */
const shortId = (id: string): Cell => ({ text: `…${id.slice(-8)}`, title: id })

const ms = (value: number | undefined): string => (value === undefined ? '–' : `${value} ms`)

const timeOf = (at: number): string => new Date(at).toISOString().slice(11, 23)
