// How the page names and colours the statuses of runs.
import type { RunStatus } from '@lockstep/protocol/agents'
import type { TextKey } from '../../lib/texts.ts'

export const runStatusLabels: Record<RunStatus, { label: TextKey; tone: '' | 'good' | 'bad' }> = {
  queued: { label: 'runs.queued', tone: '' },
  running: { label: 'runs.running', tone: 'good' },
  complete: { label: 'runs.complete', tone: '' },
  stopped: { label: 'runs.stopped', tone: '' },
  interrupted: { label: 'runs.interrupted', tone: 'bad' },
  failed: { label: 'runs.failed', tone: 'bad' },
}
