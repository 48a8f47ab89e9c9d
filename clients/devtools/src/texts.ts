// The words of the panel, in English. A page in another language gives its own.
import type { EntryKind } from './recorder.ts'

export interface Texts extends Record<EntryKind, string> {
  latency: string
  latencyHint: string
  outbox: string
  log: string
  /** Where a table has no row yet. */
  none: string
  time: string
  kind: string
  topic: string
  seq: string
  what: string
  device: string
  thisDevice: string
  trace: string
  sentAfter: string
  ackedAfter: string
  appliedAfter: string
  devicesAfter: string
  status: string
  pause: string
  resume: string
  clear: string
}

export const english: Texts = {
  latency: 'Latency',
  latencyHint:
    'Milliseconds since the key press, by the clock of the device that issued the command. The time of another device includes the way back of its report.',
  outbox: 'Outbox',
  log: 'Log',
  none: 'Nothing yet',
  time: 'Time',
  kind: 'Event',
  topic: 'Topic',
  seq: 'seq',
  what: 'Op or command',
  device: 'Device',
  thisDevice: 'This device',
  trace: 'Trace',
  sentAfter: 'Sent',
  ackedAfter: 'Ack',
  appliedAfter: 'Own change',
  devicesAfter: 'Other devices',
  status: 'Status',
  pause: 'Pause',
  resume: 'Resume',
  clear: 'Clear',
  issued: 'issued',
  sent: 'sent',
  acked: 'acked',
  refused: 'refused',
  change: 'change',
  rebased: 'rebased',
  gap: 'gap',
  reset: 'reset',
  connected: 'connected',
  disconnected: 'disconnected',
}
