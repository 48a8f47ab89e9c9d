// How the page names and colours the statuses of runs.
import type { RunStatus } from '@lockstep/protocol/agents'

export const runStatusLabels: Record<RunStatus, { label: string; tone: '' | 'good' | 'bad' }> = {
  queued: { label: 'Waiting', tone: '' },
  running: { label: 'Running', tone: 'good' },
  complete: { label: 'Done', tone: '' },
  stopped: { label: 'Stopped', tone: '' },
  interrupted: { label: 'Interrupted', tone: 'bad' },
  failed: { label: 'Failed', tone: 'bad' },
}
