// The run-time side of the unions in change.ts, without zod: pages don't load a validator for what
// their server has validated.
import type { WireChange, ChangeOf, Change, Op } from './change.ts'
import type { Topic } from './topics.ts'

const ops: { [T in Topic]: Record<Op<T>, true> } = {
  conversations: {
    created: true,
    updated: true,
    extended: true,
    part: true,
    finished: true,
    deleted: true,
    restored: true,
    purged: true,
    closed: true,
  },
  preferences: { updated: true, closed: true },
  agents: { created: true, extended: true, finished: true, deleted: true, closed: true },
  account: {
    session_created: true,
    session_revoked: true,
    renamed: true,
    password_changed: true,
    security_changed: true,
    closed: true,
  },
  records: { put: true, deleted: true, closed: true },
}

/**
 * Narrows a change that came from the wire or the database. It is the only way to do so. False for
 * an op of a newer server: a reducer would miss what the change did, so its entity has to be
 * loaded. `data` is trusted to match the schema of the op, because the server that wrote the change
 * decided it. Parsing all data again on every read would cost more than it would reveal.
 */
export const isKnown = (change: WireChange): change is Change => isKnownOp(change)

/** The same for the changes of one topic. */
export const isKnownOf = <T extends Topic>(
  topic: T,
  change: WireChange,
): change is WireChange & ChangeOf<T> => change.topic === topic && isKnownOp(change)

export const isKnownOp = ({ topic, op }: Pick<WireChange, 'topic' | 'op'>): boolean =>
  Object.hasOwn(ops[topic], op)
