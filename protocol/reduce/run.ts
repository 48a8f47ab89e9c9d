import type { AgentChanges, Run } from '../agents.ts'
import type { Change } from '../change.ts'
import { extend } from './conversation.ts'

/** What is left of a deleted run. */
export interface RunTombstone {
  id: string
  version: number
  deleted: true
}
export type HeldRun = Run | RunTombstone | undefined
export const isRun = (held: HeldRun): held is Run => held !== undefined && !('deleted' in held)

/** Pure: run + change -> run. A change whose version isn't above the run's changes nothing. */
export function reduceRun(held: HeldRun, change: Change): HeldRun {
  if (held && change.version <= held.version) return held
  if (change.op === 'deleted')
    return { id: change.entity_id, version: change.version, deleted: true }
  if (change.stripped || !change.data) return held
  if (change.op === 'created') return change.data as AgentChanges['created']
  if (!isRun(held)) return held
  if (change.op === 'extended') {
    const { offset, text } = change.data as AgentChanges['extended']
    return {
      ...held,
      output: extend(held.output, offset, text),
      status: 'running',
      version: change.version,
    }
  }
  if (change.op !== 'finished') return { ...held, version: change.version }
  const { status, ended_at, metadata } = change.data as AgentChanges['finished']
  return { ...held, status, ended_at, metadata, version: change.version }
}
