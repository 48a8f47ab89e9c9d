// Drafts as documents. They aren't projected: the document is all there is. Its `version` makes
// each write a compare-and-swap, so that two devices never replace each other's text unseen.
import type { Draft } from '@lockstep/protocol/drafts'
import { byteLength } from '@lockstep/protocol/text'
import type { Database } from './database.ts'
import type { DraftDocument } from './documents.ts'
import { readPage } from './paging.ts'
import { idFilter, idIndexHint, userFilter } from './shard-key.ts'

const draftKey = (user_id: string, id: string): string => `${user_id}:${id}`

export const toDraft = ({ _id, place, text, created_at, updated_at, version }: DraftDocument) =>
  ({
    id: _id.slice(_id.indexOf(':') + 1),
    place,
    text,
    created_at: created_at.toISOString(),
    updated_at: updated_at.toISOString(),
    version,
  }) satisfies Draft

export async function readDraft(
  { drafts }: Database,
  user_id: string,
  id: string,
): Promise<Draft | undefined> {
  const found = await drafts.findOne(idFilter(draftKey(user_id, id)))
  return found ? toDraft(found) : undefined
}

/** Those whose id is above `after`, in order of their ids. */
export const readDrafts = (
  { drafts }: Database,
  user_id: string,
  { after, limit }: { after: string | undefined; limit: number },
) =>
  readPage(
    drafts
      .find(
        userFilter(user_id, after === undefined ? undefined : draftKey(user_id, after)),
        idIndexHint,
      )
      .sort({ _id: 1 }),
    limit,
  )

export const countDrafts = ({ drafts }: Database, user_id: string): Promise<number> =>
  drafts.countDocuments(userFilter(user_id), idIndexHint)

/** The bytes of all of a user's drafts. */
export async function draftBytesOf({ drafts }: Database, user_id: string): Promise<number> {
  const found = await drafts
    .find(userFilter(user_id), idIndexHint)
    .project<{ bytes?: number }>({ bytes: 1 })
    .toArray()
  return found.reduce((sum, { bytes = 0 }) => sum + bytes, 0)
}

/**
 * False if the draft no longer has the version of `held`, or exists although `held` is undefined.
 */
export async function writeDraft(
  { drafts }: Database,
  user_id: string,
  held: Draft | undefined,
  { id, place, text, created_at, updated_at, version }: Draft,
): Promise<boolean> {
  const key = idFilter(draftKey(user_id, id))
  const bytes = byteLength(text)
  const fields = { place, text, bytes, updated_at: new Date(updated_at), version }
  if (held) {
    const { matchedCount } = await drafts.updateOne(
      { ...key, version: held.version },
      { $set: fields },
    )
    return matchedCount === 1
  }
  try {
    await drafts.insertOne({ ...key, ...fields, created_at: new Date(created_at) })
    return true
  } catch (error) {
    if ((error as { code?: number }).code === 11000) return false
    throw error
  }
}

/** False if the user has no such draft, or it has another version. */
export async function deleteDraft(
  { drafts }: Database,
  user_id: string,
  id: string,
  version?: number,
): Promise<boolean> {
  const { deletedCount } = await drafts.deleteOne({
    ...idFilter(draftKey(user_id, id)),
    ...(version !== undefined && { version }),
  })
  return deletedCount === 1
}
