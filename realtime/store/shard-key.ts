// Filters for documents of users. The invariant: every `_id` begins with `<user>:`, so each filter
// by `_id` can also name `user_id`, the shard key. With it, a query goes to one shard instead of
// all, and MongoDB before version 8 refuses a sharded upsert without it. The index in use is that
// on `_id`.

export const userIdOf = (key: string): string => key.slice(0, key.indexOf(':'))

/** Selects one document. */
export const idFilter = (_id: string) => ({ user_id: userIdOf(_id), _id })

/** Selects documents of any users. */
export const idsFilter = (ids: readonly string[]) => ({
  user_id: { $in: [...new Set(ids.map(userIdOf))] },
  _id: { $in: [...ids] },
})

/** Selects a user's documents, or those whose `_id` is above `after`. */
export const userFilter = (user_id: string, after = `${user_id}:`) => ({
  user_id,
  _id: { $gt: after, $lt: `${user_id};` },
})

/**
 * For ranges ordered by `_id`. Without this hint the planner may choose an index that begins with
 * `user_id`, and then reads and sorts everything that the user has.
 */
export const idIndexHint = { hint: '_id_' } as const
