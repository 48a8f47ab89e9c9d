// Pure: how a run of an agent begins, grows, ends and is removed. The invariant: a run that has ended, or is removed, never changes again.
import type { AgentChanges, AgentCommands, Run } from '../agents.ts'
import type { DecisionContext, DecisionOf } from '../change.ts'
import { Fault } from '../errors.ts'
import type { JsonObject } from '../free-form.ts'
import { limits } from '../limits.ts'
import { isRun, type HeldRun } from '../reduce/run.ts'
import { byteLength } from '../text.ts'

export type RunDecision = DecisionOf<'agents'>

export type RunStart = AgentCommands['run'] & {
  id: string
  model: string
  /** Of the reply in the conversation, when there is one. */
  message_id: string | null
}

/** Begins a run; undefined: this id runs already. Throws `id_taken` when it was removed. */
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

/** Extends the output; an empty first piece says that a queued run runs. Throws `not_found` when it has ended. */
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
  /** Added to the run's own. */
  metadata: JsonObject
}

/** Ends a run; undefined: it has ended. Throws `not_found` for one that isn't there. */
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

/** Asks whoever writes a run to end it: an empty piece in the name of the user who asks. undefined: it has ended. Throws `not_found`. */
export function decideRunStopRequest(held: HeldRun): RunDecision | undefined {
  const run = existingRun(held)
  if (run.ended_at !== null) return undefined
  const data = { offset: run.output.length, text: '' }
  return { op: 'extended', ...next(run), data, before: { status: run.status } }
}

/** Removes a run, also one that runs: its producer stops when it sees that. undefined: it is removed. */
export function decideRunDelete(held: HeldRun): RunDecision | undefined {
  if (held && !isRun(held)) return undefined
  return { op: 'deleted', ...next(existingRun(held)), data: {}, before: {} }
}

/** Throws `not_found` for a run that was removed or never was. */
export function existingRun(held: HeldRun): Run {
  if (!isRun(held)) throw new Fault('not_found', { detail: 'There is no such run' })
  return held
}

/** The entity of a run's next change, and the version that the change gives it. */
const next = ({ id, version }: Run) => ({ entity_id: id, version: version + 1 })
