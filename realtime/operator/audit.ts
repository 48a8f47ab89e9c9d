// Reads users' logs to the end and checks what must hold in each: `seq` has no gap, time never goes back, every entity's versions are
// explained one by one, and the documents are what folding the log gives.
import { topics, type Topic } from '@lockstep/protocol/topics'
import type { Log } from '../log/log.ts'
import { changeId, readChanges, topicKey, type ChangeDocument } from '../store/changes.ts'
import type { Database } from '../store/database.ts'
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

/** What an audit tells, as it goes. */
export interface AuditReport {
  entry: (entry: ChangeDocument) => void | Promise<void>
  fault: (fault: AuditFault) => void
}

const BATCH = 200

/** Audits these users, or all that ever had logs. Reads only, but for documents that had yet to follow their log. */
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
      const tell = (fault: Omit<AuditFault, 'user_id' | 'topic'>) => {
        result.faults++
        report.fault({ user_id, topic, ...fault })
      }
      const entities = new Map<string, Entity>()
      let last: ChangeDocument | undefined
      for await (const entry of entriesOf(database, user_id, topic)) {
        result.entries++
        await report.entry(entry)
        for (const fault of faultsOf(entry, last, entities.get(entry.entity_id)))
          tell({ fault, seq: entry.seq, entity_id: entry.entity_id })
        entities.set(entry.entity_id, { version: entry.version })
        last = entry
      }
      if (last?.op === 'closed') continue // its content is gone, on purpose
      for await (const fault of checkDocuments(database, log, {
        user_id,
        topic,
        entity_ids: [...entities.keys()],
      }))
        tell(fault)
    }
  }
  return result
}

/** Everybody who ever had logs, in order of id. */
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

/** Versions that entities of a topic begin with: preferences are there, empty, from the start. */
const FIRST_VERSION: Partial<Record<Topic, number>> = { preferences: 2 }

function* faultsOf(
  entry: ChangeDocument,
  last: ChangeDocument | undefined,
  entity: Entity | undefined,
) {
  const { _id, user_id, topic, seq, version } = entry
  const expected = (last?.seq ?? 0) + 1
  const isRest = entry.op === 'closed' && last === undefined // what came before it has been erased
  if (seq !== expected && !isRest) yield `seq ${seq} follows ${expected - 1}`
  if (_id !== changeId(topicKey(user_id, topic), seq)) yield `_id ${_id} isn't of seq ${seq}`
  if (last && entry.at < last.at) yield 'is dated before the entry in front of it'
  if (!entry.data && !entry.stripped && entry.op !== 'closed')
    yield 'has no content and does not say why'
  // the account's own documents are written first, so a crash may leave an entry out, but never put one in
  const next = entity ? entity.version + 1 : (FIRST_VERSION[topic] ?? 1)
  if (
    topic === 'account' || entry.op === 'closed'
      ? version < (entity?.version ?? 1)
      : version !== next
  )
    yield `version ${version} where ${next} was expected`
}
