// Reads the logs of users to the end and checks what must hold in each: `seq` has no gaps, time
// never goes back, each change increases its entity's version by 1, and the documents equal the
// fold of the log.
import { topics, type Topic } from '@lockstep/protocol/topics'
import type { Log } from '../log/log.ts'
import { changeId, readChanges, topicKey } from '../store/changes.ts'
import type { Database } from '../store/database.ts'
import type { ChangeDocument } from '../store/documents.ts'
import { usersWithLogs } from '../store/heads.ts'
import { checkDocuments } from './audit-documents.ts'

export interface AuditFault {
  user_id: string
  topic: Topic
  entity_id?: string
  seq?: number
  fault: string
}

export interface AuditResult {
  users: number
  entries: number
  faults: number
}

/** Receives what an audit reads and finds, as it goes. */
export interface AuditReport {
  entry: (entry: ChangeDocument) => void | Promise<void>
  fault: (fault: AuditFault) => void
}

const BATCH = 200

/** Audits these users. It writes nothing except projections that were not up to date. */
export async function audit(
  database: Database,
  log: Log,
  users: AsyncIterable<string> | Iterable<string>,
  report: AuditReport,
): Promise<AuditResult> {
  const result: AuditResult = { users: 0, entries: 0, faults: 0 }
  for await (const user_id of users) {
    result.users++
    for (const topic of topics) {
      const reportFault = (fault: Omit<AuditFault, 'user_id' | 'topic'>) => {
        result.faults++
        report.fault({ user_id, topic, ...fault })
      }
      const entities = new Map<string, Entity>()
      let last: ChangeDocument | undefined
      for await (const entry of entriesOf(database, user_id, topic)) {
        result.entries++
        await report.entry(entry)
        for (const fault of faultsOf(entry, last, entities.get(entry.entity_id)))
          reportFault({ fault, seq: entry.seq, entity_id: entry.entity_id })
        entities.set(entry.entity_id, { version: entry.version })
        last = entry
      }
      // the content of a closed account has been removed
      if (last?.op === 'closed') continue
      for await (const fault of checkDocuments(database, log, {
        user_id,
        topic,
        entity_ids: [...entities.keys()],
      }))
        reportFault(fault)
    }
  }
  return result
}

/** The ids of all users who ever had logs, in order. */
export async function* allUsers(database: Database): AsyncGenerator<string> {
  for (let after = ''; ;) {
    const page = await usersWithLogs(database, after, BATCH)
    yield* page
    if (page.length === 0) return
    after = page.at(-1)!
  }
}

interface Entity {
  version: number
}

async function* entriesOf(
  database: Database,
  user_id: string,
  topic: Topic,
): AsyncGenerator<ChangeDocument> {
  const key = topicKey(user_id, topic)
  for (let after = 0; ;) {
    const page = await readChanges(database, key, after, { limit: BATCH }).toArray()
    yield* page
    if (page.length < BATCH) return
    after = page.at(-1)!.seq
  }
}

/**
 * The version after the first change, if it isn't 1. Empty preferences exist before their first
 * change.
 */
const FIRST_VERSION: Partial<Record<Topic, number>> = { preferences: 2 }

function* faultsOf(
  entry: ChangeDocument,
  last: ChangeDocument | undefined,
  entity: Entity | undefined,
) {
  const { _id, user_id, topic, seq, version } = entry
  const expected = (last?.seq ?? 0) + 1
  // closing an account removes the entries before this one
  const isOnlyEntry = entry.op === 'closed' && last === undefined
  if (seq !== expected && !isOnlyEntry) yield `seq ${seq} follows ${expected - 1}`
  if (_id !== changeId(topicKey(user_id, topic), seq))
    yield `_id ${_id} doesn't belong to seq ${seq}`
  if (last && entry.at < last.at) yield 'is dated before the previous entry'
  if (!entry.data && !entry.stripped && entry.op !== 'closed')
    yield 'has no content, but is not marked as stripped'
  // account documents are written before their entry, so a crash may lose an entry but never adds
  // one
  const next = entity ? entity.version + 1 : (FIRST_VERSION[topic] ?? 1)
  if (
    topic === 'account' || entry.op === 'closed'
      ? version < (entity?.version ?? 1)
      : version !== next
  )
    yield `version ${version} where ${next} was expected`
}
