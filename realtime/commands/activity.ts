// The user's audit trail shows the logs of all topics as one list. Each log is in order by itself,
// because `at` never falls as `seq` rises. So reading the logs from their ends, and always taking
// the newest entry, merges them without an index. A page ends at one position in each log.
import * as z from 'zod'
import { Fault } from '@lockstep/protocol/errors'
import type { Answer, Asked } from '@lockstep/protocol/rest'
import { Topic, topics } from '@lockstep/protocol/topics'
import { MAX_SEQ, readOutlines, topicKey, type EntryOutline } from '../store/changes.ts'
import type { Database } from '../store/database.ts'
import { TimeBudget } from '../store/time-budget.ts'
import { detailsOf, summariseEntry } from './activity-summary.ts'

type Page = Answer<'listActivity'>
/** By topic: all entries from this `seq` on have been shown. */
type Positions = z.infer<typeof Positions>

/** How long the database may take for one page. */
const READ_MS = 3_000

export interface ActivityUseCases {
  /**
   * Newest first; entries of the same moment are ordered by topic. Throws `invalid` for a cursor
   * that this server didn't make, or that was made for other topics.
   */
  list(user_id: string, query: Asked<'listActivity'>['query']): Promise<Page>
}

export const createActivity = (database: Database): ActivityUseCases => ({
  async list(user_id, { limit, cursor, topic, entity_id }) {
    const asked = topic ? [topic] : topics
    const shownFrom = cursor === undefined ? {} : readCursor(cursor, asked)
    const time = new TimeBudget(READ_MS)
    const logs: EntryOutline[][] = []
    for (const name of asked)
      logs.push(
        await readOutlines(database, topicKey(user_id, name), {
          before: shownFrom[name] ?? MAX_SEQ,
          limit: limit + 1,
          entity_id,
          time,
        }),
      )
    const shown: EntryOutline[] = []
    const next: Positions = {}
    for (const [i, name] of asked.entries()) next[name] = (logs[i]![0]?.seq ?? 0) + 1
    while (shown.length < limit) {
      const entry = takeNewest(logs)
      if (!entry) break
      shown.push(entry)
      next[entry.topic] = entry.seq
    }
    const items = shown.map(({ at, topic, op, entity_id, version, seq, actor, ...outline }) => ({
      ...{ at: at.toISOString(), topic, op, entity_id, version, seq, actor },
      details: detailsOf(outline),
      summary: summariseEntry({ topic, op, ...outline }),
    }))
    return { items, next_cursor: logs.some((log) => log.length > 0) ? writeCursor(next) : null }
  },
})

function takeNewest(logs: readonly EntryOutline[][]): EntryOutline | undefined {
  const timeOf = (log: readonly EntryOutline[]) => log[0]?.at.getTime() ?? -Infinity
  return logs.reduce((newest, log) => (timeOf(log) > timeOf(newest) ? log : newest)).shift()
}

const Positions = z.partialRecord(Topic, z.int().min(1).max(MAX_SEQ))

const writeCursor = (positions: Positions): string =>
  Buffer.from(JSON.stringify(positions)).toString('base64url')

function readCursor(cursor: string, asked: readonly Topic[]): Positions {
  try {
    const written: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    const read = Positions.safeParse(written)
    const isOfAsked = (positions: Positions) =>
      topics.every((topic) => asked.includes(topic) === (positions[topic] !== undefined))
    if (read.success && isOfAsked(read.data)) return read.data
  } catch {
    // no cursor of this server: refused below
  }
  const message = 'must be a next_cursor that this server gave for the same topic'
  throw new Fault('invalid', {
    detail: `The cursor ${message}`,
    issues: [{ path: 'cursor', message }],
  })
}
