// Pure: how a run of an agent begins, grows, ends and is deleted. The invariant: a run that has
// ended or is deleted never changes again.
import type { AgentChanges, AgentCommands, Run } from '../agents.ts'
import type { DecisionContext, DecisionOf } from '../change.ts'
import { Fault } from '../errors.ts'
import type { JsonObject } from '../free-form.ts'
import * as limits from '../limit-values.ts'
import { isRun, type HeldRun } from '../reduce/run.ts'
import { byteLength } from '../text.ts'

export type RunDecision = DecisionOf<'agents'>

export type RunStart = AgentCommands['run'] & {
  id: string
  model: string
  /** The reply in the conversation, if the run belongs to one. */
  message_id: string | null
}

/**
 * Begins a run. undefined: a run with this id exists. Throws `id_taken` when that run was deleted.
 */
export function decideRun(
  held: HeldRun,
  start: RunStart,
  context: DecisionContext,
): RunDecision | undefined {
  if (isRun(held)) return undefined
  if (held)
    throw new Fault('id_taken', { detail: 'A run with this id has been deleted: use another id' })
  const { id, agent, model, input, message_id } = start
  const run: Run = {
    id,
    user_id: context.user_id,
    agent,
    input,
    output: '',
    status: 'queued',
    conversation_id: start.conversation_id ?? null,
    message_id,
    started_at: context.at,
    ended_at: null,
    metadata: { model },
    version: 1,
  }
  return { op: 'created', entity_id: id, version: 1, data: { ...run } }
}

/**
 * Extends the output. An empty first text tells that a queued run is running. undefined: the text
 * is there already. Throws `not_found` when the run has ended.
 */
export function decideRunExtend(
  held: HeldRun,
  piece: AgentChanges['extended'],
): RunDecision | undefined {
  const run = existingRun(held)
  if (run.ended_at !== null) throw new Fault('not_found', { detail: 'This run has ended' })
  const end = run.output.length
  if (piece.offset > end)
    throw new Fault('invalid', { detail: 'Text of this run is missing before this piece' })
  const text = piece.text.slice(end - piece.offset)
  if (text === '' && run.status === 'running') return undefined
  if (byteLength(run.output) + byteLength(text) > limits.messageBytes)
    throw new Fault('too_large', {
      detail: 'The output would become too large',
      limit_bytes: limits.messageBytes,
    })
  const data = { offset: end, text }
  return { op: 'extended', ...next(run), data, before: { status: run.status } }
}

export interface RunEnding {
  status: AgentChanges['finished']['status']
  /** Added to the run's metadata. */
  metadata: JsonObject
}

/** Ends a run. undefined: it has ended. Throws `not_found` for a run that doesn't exist. */
export function decideRunFinish(
  held: HeldRun,
  { status, metadata }: RunEnding,
  context: DecisionContext,
): RunDecision | undefined {
  const run = existingRun(held)
  if (run.ended_at !== null) return undefined
  const data: AgentChanges['finished'] = {
    status,
    length: run.output.length,
    ended_at: context.at,
    metadata: { ...run.metadata, ...metadata },
  }
  const before = { status: run.status, metadata: run.metadata }
  return { op: 'finished', ...next(run), data, before }
}

/**
 * Asks the producer to end the run, by an empty `extended` whose actor is the user who asks.
 * undefined: the run has ended. Throws `not_found` for a run that doesn't exist.
 */
export function decideRunStopRequest(held: HeldRun): RunDecision | undefined {
  const run = existingRun(held)
  if (run.ended_at !== null) return undefined
  const data = { offset: run.output.length, text: '' }
  return { op: 'extended', ...next(run), data, before: { status: run.status } }
}

/**
 * Deletes a run. The producer of a running one stops when it sees the change. undefined: the run is
 * deleted already.
 */
export function decideRunDelete(held: HeldRun): RunDecision | undefined {
  if (held && !isRun(held)) return undefined
  return { op: 'deleted', ...next(existingRun(held)), data: {}, before: {} }
}

/** Throws `not_found` for a run that was deleted or never existed. */
export function existingRun(held: HeldRun): Run {
  if (!isRun(held)) throw new Fault('not_found', { detail: 'There is no such run' })
  return held
}

/** The entity of a run's next change, and the version that the change gives it. */
const next = ({ id, version }: Run) => ({ entity_id: id, version: version + 1 })
