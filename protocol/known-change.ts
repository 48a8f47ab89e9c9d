// The run-time side of the unions in change.ts, without zod: pages don't load a validator for what
// their server has validated.
import type { WireChange, ChangeOf, Change, Op } from './change.ts'
import type { Topic } from './topics.ts'

/**
 * False: an account that may store no more still takes the change, as a removal, a sign-in or the
 * end of a reply.
 */
const ops: { [T in Topic]: Record<Op<T>, boolean> } = {
  conversations: {
    created: true,
    updated: true,
    extended: false,
    part: false,
    finished: false,
    deleted: false,
    restored: false,
    purged: false,
    closed: false,
  },
  preferences: { updated: true, closed: false },
  agents: { created: true, extended: false, finished: false, deleted: false, closed: false },
  account: {
    session_created: false,
    session_revoked: false,
    renamed: false,
    password_changed: false,
    security_changed: false,
    closed: false,
  },
  records: { put: true, deleted: false, closed: false },
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

/** Whether a full account refuses the change. */
export const refusedWhenFull = ({ topic, op }: Pick<WireChange, 'topic' | 'op'>): boolean =>
  new Map(Object.entries(ops[topic])).get(op) ?? false
