import type { Run } from '../agents.ts'
import type { WireChange } from '../change.ts'
import { isKnownOf } from '../known-change.ts'
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
export function reduceRun(held: HeldRun, change: WireChange): HeldRun {
  if (held && change.version <= held.version) return held
  if (!isKnownOf('agents', change)) return passOver(held, change)
  if (change.op === 'deleted')
    return { id: change.entity_id, version: change.version, deleted: true }
  if (change.stripped || !change.data) return held
  if (change.op === 'created') return change.data
  if (!isRun(held)) return held
  const { version } = change
  switch (change.op) {
    case 'extended': {
      const { offset, text } = change.data
      return { ...held, output: extend(held.output, offset, text), status: 'running', version }
    }
    case 'finished': {
      const { status, ended_at, metadata } = change.data
      return { ...held, status, ended_at, metadata, version }
    }
    case 'closed':
      return { ...held, version }
    default:
      change satisfies never
      return { ...held, version }
  }
}

/** A newer server has made this change, so only its version is taken over. */
const passOver = (held: HeldRun, { version, data }: WireChange): HeldRun =>
  isRun(held) && data ? { ...held, version } : held
