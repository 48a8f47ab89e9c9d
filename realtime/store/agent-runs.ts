// Runs of agents as documents: the projection of the topic `agents`. Only the projector writes
// them.
import type { FindCursor } from 'mongodb'
import type { Run, RunStatus } from '@lockstep/protocol/agents'
import type { HeldRun } from '@lockstep/protocol/reduce/run'
import type { Database } from './database.ts'
import type { LiveRunDocument, RunDocument } from './documents.ts'
import { writeGuarded, type WithoutId } from './guarded-writes.ts'
import { readPage, type DocumentPage } from './paging.ts'
import { idIndexHint, idFilter, idsFilter, userFilter } from './shard-key.ts'

const runKey = (user_id: string, id: string): string => `${user_id}:${id}`
const runIdOf = (_id: string): string => _id.slice(_id.indexOf(':') + 1)

export function toRun({ _id, seq: _seq, started_at, ended_at, ...rest }: LiveRunDocument): Run {
  return {
    id: runIdOf(_id),
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
  return document ? toHeldRun(document) : undefined
}

/** Reads any runs of any users. */
export async function readRuns(
  { agent_runs }: Database,
  wanted: readonly { user_id: string; id: string }[],
): Promise<{ user_id: string; held: NonNullable<HeldRun> }[]> {
  const keys = wanted.map(({ user_id, id }) => runKey(user_id, id))
  const found = await agent_runs.find(idsFilter(keys)).toArray()
  return found.map((document) => ({ user_id: document.user_id, held: toHeldRun(document) }))
}

const toHeldRun = (document: RunDocument): NonNullable<HeldRun> =>
  'deleted' in document
    ? { id: runIdOf(document._id), version: document.version, deleted: true }
    : toRun(document)

/** A run as of change `seq`. */
export interface RunWrite {
  user_id: string
  held: NonNullable<HeldRun>
  seq: number
}

/** Writes each run, unless a newer one is stored. */
export const writeRuns = ({ agent_runs }: Database, written: readonly RunWrite[]): Promise<void> =>
  writeGuarded(
    agent_runs,
    written.map((write) => ({
      filter: { ...idFilter(runKey(write.user_id, write.held.id)), seq: { $lt: write.seq } },
      replacement: toDocument(write),
    })),
  )

function toDocument({ user_id, held, seq }: RunWrite): WithoutId<RunDocument> {
  if ('deleted' in held) return { user_id, version: held.version, seq, deleted: true }
  const { id: _id, started_at, ended_at, ...rest } = held
  return {
    ...rest,
    started_at: new Date(started_at),
    ended_at: ended_at === null ? null : new Date(ended_at),
    seq,
  }
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
