// The change that the server would make from a decision, with the fields that reducers read. It has
// no position in the log yet.
import type { Decision, DecisionContext, WireChange } from '@lockstep/protocol/change'
import type { Topic } from '@lockstep/protocol/topics'

export function predictedChange(
  topic: Topic,
  { op, entity_id, version, data }: Omit<Decision, 'before'>,
  { at }: DecisionContext,
): WireChange {
  const actor = { session_id: null, device: '' }
  return { topic, epoch: '', seq: 0, at, op, entity_id, version, actor, data }
}
