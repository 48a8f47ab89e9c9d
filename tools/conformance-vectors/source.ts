// What the vectors of one topic are made from.
import type { AnyDecision, WireChange } from '@lockstep/protocol/change'
import type { Topic } from '@lockstep/protocol/topics'

export interface VectorSource<State> {
  topic: Topic
  states: Record<string, State>
  /** What each change is called -> the change, made for a state. Undefined: it doesn't fit. */
  changes: Record<string, (state: State) => WireChange | undefined>
  commands: Record<string, { command: string; payload: object }>
  reduce: (state: State, change: WireChange) => State
  decide: (command: string, state: State, payload: object) => AnyDecision | undefined
}

/** An id that ends with a number, so that a person can tell the ids of a vector apart. */
export const id = (number: number): string =>
  `01900000-0000-7000-8000-${String(number).padStart(12, '0')}`

/** Vectors give every id, so none is made. */
export const context = {
  user_id: id(1),
  at: '2030-01-02T03:04:05.678Z',
  newId: (): string => {
    throw new Error('a vector has to name its ids')
  },
}
export const EARLIER = '2030-01-01T00:00:00.000Z'

/** A change of this entity. */
export const changeOf = (
  topic: Topic,
  op: string,
  entity_id: string,
  version: number,
  data?: Record<string, unknown>,
): WireChange => ({
  topic,
  epoch: 'e1',
  seq: 9,
  at: context.at,
  op,
  entity_id,
  version,
  actor: { session_id: null, device: 'vector' },
  ...(data ? { data } : { stripped: true }),
})
