// How a run's state is called.
import type { RunStatus } from '@lockstep/protocol/agents'

export const runWords: Record<RunStatus, { label: string; look: '' | 'good' | 'bad' }> = {
  queued: { label: 'Waiting', look: '' },
  running: { label: 'Running', look: 'good' },
  complete: { label: 'Done', look: '' },
  stopped: { label: 'Stopped', look: '' },
  interrupted: { label: 'Interrupted', look: 'bad' },
  failed: { label: 'Failed', look: 'bad' },
}
