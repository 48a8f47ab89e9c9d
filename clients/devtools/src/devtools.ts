// The package's main entry. `createWire` is also at `@lockstep/devtools/wire`, alone and small, for
// pages that load the rest when somebody wants to see it.
export { mountDevtools } from './panel.ts'
export type { PanelDeps, PanelOptions } from './panel.ts'
export { startRecorder } from './recorder.ts'
export type { EntryKind, LogEntry, Recorder, Timings, TraceView } from './recorder.ts'
export { english } from './texts.ts'
export type { Texts } from './texts.ts'
export { createWire } from './wire.ts'
export type { Frame, Wire } from './wire.ts'
