// How a user's documents are addressed. The invariant: every `_id` begins with `<user>:`, so whoever names a document says whose it is, too.
// `user_id`, the shard key, sends a question to one shard instead of all, and below MongoDB 8 a sharded upsert is refused without it; `_id`
// is what the index serves.

export const userIdOf = (key: string): string => key.slice(0, key.indexOf(':'))

/** One document. */
export const idFilter = (_id: string) => ({ user_id: userIdOf(_id), _id })

/** Some documents, of any users. */
export const idsFilter = (ids: readonly string[]) => ({
  user_id: { $in: [...new Set(ids.map(userIdOf))] },
  _id: { $in: [...ids] },
})

/** A user's documents, those behind `after` if told. */
export const userFilter = (user_id: string, after = `${user_id}:`) => ({
  user_id,
  _id: { $gt: after, $lt: `${user_id};` },
})

/** For ranges in order of `_id`: an index that begins with `user_id` looks good to a planner, but reads all that the user has and sorts it. */
export const idIndexHint = { hint: '_id_' } as const
