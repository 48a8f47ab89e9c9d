// Runs of agents as documents: the projection of the topic `agents`. Only the projector writes
// them.
import type { FindCursor } from 'mongodb'
import type { Run, RunStatus } from '@lockstep/protocol/agents'
import type { HeldRun } from '@lockstep/protocol/reduce/run'
import { ignoreDuplicateKey } from './conversations.ts'
import type { Database } from './database.ts'
import type { LiveRunDocument } from './documents.ts'
import { readPage, type DocumentPage } from './paging.ts'
import { idIndexHint, idFilter, userFilter } from './shard-key.ts'

const runKey = (user_id: string, id: string): string => `${user_id}:${id}`

export function toRun({ _id, seq: _seq, started_at, ended_at, ...rest }: LiveRunDocument): Run {
  const id = _id.slice(_id.indexOf(':') + 1)
  return {
    id,
    ...rest,
    started_at: started_at.toISOString(),
    ended_at: ended_at?.toISOString() ?? null,
  }
}

export async function readRun(
  { agent_runs }: Database,
  user_id: string,
  id: string,
): Promise<HeldRun> {
  const document = await agent_runs.findOne(idFilter(runKey(user_id, id)))
  if (!document) return undefined
  return 'deleted' in document ? { id, version: document.version, deleted: true } : toRun(document)
}

/** Writes a run as of change `seq`, unless a newer one is stored. */
export async function writeRun(
  { agent_runs }: Database,
  user_id: string,
  held: NonNullable<HeldRun>,
  seq: number,
): Promise<void> {
  const guard = { ...idFilter(runKey(user_id, held.id)), seq: { $lt: seq } }
  const document = () => {
    if ('deleted' in held) return { user_id, version: held.version, seq, deleted: true as const }
    const { id: _id, started_at, ended_at, ...rest } = held
    return {
      ...rest,
      started_at: new Date(started_at),
      ended_at: ended_at === null ? null : new Date(ended_at),
      seq,
    }
  }
  await ignoreDuplicateKey(agent_runs.replaceOne(guard, document(), { upsert: true }))
}

export interface RunListQuery {
  limit: number
  agent?: string
  status?: RunStatus
  conversation_id?: string
  /** The last item of the previous page. */
  after?: { at: Date; _id: string }
}

/** Newest `started_at` first, then by id. */
export async function listRuns(
  { agent_runs }: Database,
  user_id: string,
  { limit, after, ...matching }: RunListQuery,
): Promise<DocumentPage<LiveRunDocument>> {
  const filter = {
    user_id,
    started_at: after ? { $lte: after.at } : { $exists: true },
    ...matching,
    ...(after && { $or: [{ started_at: { $lt: after.at } }, { _id: { $lt: after._id } }] }),
  }
  const newest = agent_runs.find(filter).sort({ started_at: -1, _id: -1 })
  return readPage(newest as FindCursor<LiveRunDocument>, limit)
}

/** All runs that aren't deleted and whose `_id` is above `after`, in order of `_id`. */
export async function readAllRuns(
  { agent_runs }: Database,
  user_id: string,
  after: string | undefined,
  limit: number,
): Promise<LiveRunDocument[]> {
  const found = await agent_runs
    .find({ ...userFilter(user_id, after), deleted: { $exists: false } }, idIndexHint)
    .sort({ _id: 1 })
    .limit(limit)
    .toArray()
  return found as LiveRunDocument[]
}

/** Runs of all users that began before `before` and have not ended. */
export async function findUnfinishedRuns(
  { agent_runs }: Database,
  before: Date,
  limit: number,
): Promise<LiveRunDocument[]> {
  const found = await agent_runs
    .find({ ended_at: { $type: 'null' }, started_at: { $lt: before } })
    .limit(limit)
    .toArray()
  return found as LiveRunDocument[]
}
