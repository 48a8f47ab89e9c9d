// The user's audit trail: the four logs as one list. Each is in order by itself (`seq`, and `at` never falls with it), so reading them from
// their ends and always taking the newest is a merge that needs no index of its own; a page ends at one place in each.
import * as z from 'zod'
import { Fault } from '@lockstep/protocol/errors'
import type { Answer, Asked } from '@lockstep/protocol/rest'
import { topics, type Topic } from '@lockstep/protocol/topics'
import { MAX_SEQ, readOutlines, topicKey, type EntryOutline } from '../store/changes.ts'
import type { Database } from '../store/database.ts'
import { summariseEntry } from './activity-summary.ts'

type Page = Answer<'listActivity'>
/** By topic: everything from this `seq` on has been shown. */
type Places = Partial<Record<Topic, number>>

export interface ActivityUseCases {
  /** Newest first; entries of the same moment by topic. Throws `invalid` for a foreign cursor, also for one of other topics. */
  list(user_id: string, query: Asked<'listActivity'>['query']): Promise<Page>
}

export const createActivity = (database: Database): ActivityUseCases => ({
  async list(user_id, { limit, cursor, topic, entity_id }) {
    const asked = topic ? [topic] : topics
    const places = cursor === undefined ? {} : readPlaces(cursor, asked)
    const read = (name: Topic) =>
      readOutlines(database, topicKey(user_id, name), {
        before: places[name] ?? MAX_SEQ,
        limit: limit + 1,
        entity_id,
      })
    const logs = await Promise.all(asked.map(read))
    const shown: EntryOutline[] = []
    const next: Places = {}
    for (const [i, name] of asked.entries()) next[name] = (logs[i]![0]?.seq ?? 0) + 1
    while (shown.length < limit) {
      const entry = takeNewest(logs)
      if (!entry) break
      shown.push(entry)
      next[entry.topic] = entry.seq
    }
    const items = shown.map(({ at, topic, op, entity_id, version, seq, actor, ...outline }) => ({
      ...{ at: at.toISOString(), topic, op, entity_id, version, seq, actor },
      summary: summariseEntry({ topic, op, ...outline }),
    }))
    return { items, next_cursor: logs.some((log) => log.length > 0) ? writePlaces(next) : null }
  },
})

function takeNewest(logs: readonly EntryOutline[][]): EntryOutline | undefined {
  const timeOf = (log: readonly EntryOutline[]) => log[0]?.at.getTime() ?? -Infinity
  return logs.reduce((newest, log) => (timeOf(log) > timeOf(newest) ? log : newest)).shift()
}

const Place = z.int().min(1).max(MAX_SEQ)

const writePlaces = (places: Places): string =>
  Buffer.from(JSON.stringify(places)).toString('base64url')

function readPlaces(cursor: string, asked: readonly Topic[]): Places {
  const Written = z.strictObject(Object.fromEntries(asked.map((topic) => [topic, Place])))
  try {
    const read = Written.safeParse(JSON.parse(Buffer.from(cursor, 'base64url').toString()))
    if (read.success) return read.data
  } catch {
    // not JSON, so not ours: refused below
  }
  const message = 'must be a next_cursor that this server gave for the same topic'
  throw new Fault('invalid', {
    detail: `The cursor ${message}`,
    issues: [{ path: 'cursor', message }],
  })
}
