import type { WireChange, Decision, DecisionContext } from '@lockstep/protocol/change'
import type { Topic } from '@lockstep/protocol/topics'

/** The change that the server would make of a decision, as far as reducers look. It has no place in the log yet. */
export function predictedChange(
  topic: Topic,
  decision: Decision,
  { at }: DecisionContext,
): WireChange {
  const { op, entity_id, version, data } = decision
  return {
    topic,
    epoch: '',
    seq: 0,
    at,
    op,
    entity_id,
    version,
    actor: { session_id: null, device: '' },
    data,
  }
}
