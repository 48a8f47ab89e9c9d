// Projects entries whose writer died before it could project them. A node that sees entries in the
// feed checks a moment later whether they have been projected. When it starts, it also looks for
// entries that the node before it may have left.
import type { Topic } from '@lockstep/protocol/topics'
import type { Logger } from '../observability/logger.ts'
import { readRecent, topicKey } from '../store/changes.ts'
import type { Database } from '../store/database.ts'
import { readHeads } from '../store/heads.ts'
import type { HeadCache } from './head-cache.ts'
import { onlyStreams, STREAMING_MS, type Projector } from './projector.ts'

/** How long another node may take to project its entries before this node does (ms). */
const ABANDONED_MS = 2_000
/** How far back a node looks when it starts (ms). */
const LOOK_BACK_MS = 300_000
/** Topics that are checked by one query. */
const TOPICS_PER_CHECK = 200

interface SeenEntry {
  user_id: string
  topic: Topic
  seq: number
}

export interface UnprojectedWatch {
  /** Notes an entry that this node has seen in the feed. */
  note(entry: SeenEntry): void
  /** Schedules the projection of recent entries that lack one. Never rejects. */
  lookBack(): Promise<void>
  stop(): Promise<void>
}

export function watchUnprojected({
  database,
  heads,
  projector,
  logger,
}: {
  database: Database
  heads: HeadCache
  projector: Projector
  logger: Logger
}): UnprojectedWatch {
  const seen = new Map<string, SeenEntry>()
  let timer: NodeJS.Timeout | undefined
  let [stopped, lookingBack] = [false, Promise.resolve()]

  /**
   * Empties `entries`, and schedules the projection of those beyond what their head has applied.
   */
  async function check(entries: Map<string, SeenEntry>): Promise<void> {
    const candidates = new Map(entries)
    entries.clear()
    const found = await readHeads(database, [...candidates.keys()])
    const applied = new Map(found.map((head) => [head._id, head.applied]))
    for (const [key, entry] of candidates) {
      if ((applied.get(key) ?? entry.seq) >= entry.seq) continue
      const head = await heads.refresh(entry.user_id, entry.topic)
      // its writer projects streamed text late, and then all of it together
      if (onlyStreams(head) && Date.now() - head.at < 2 * STREAMING_MS) note(entry)
      else projector.schedule(head, 0)
    }
  }

  function note(entry: SeenEntry): void {
    seen.set(topicKey(entry.user_id, entry.topic), entry)
    timer ??= setTimeout(() => {
      timer = undefined
      check(seen).catch(failed)
    }, ABANDONED_MS)
  }

  async function lookBack(): Promise<void> {
    const recent = new Map<string, SeenEntry>()
    const since = new Date(Date.now() - LOOK_BACK_MS)
    for await (const { user_id, topic, seq } of readRecent(database, since)) {
      if (stopped) return
      recent.set(topicKey(user_id, topic), { user_id, topic, seq })
      if (recent.size >= TOPICS_PER_CHECK) await check(recent)
    }
    await check(recent)
  }

  const failed = (error: unknown) =>
    logger.warn({ err: error }, 'could not look for unprojected entries')

  return {
    note,
    lookBack: () => (lookingBack = lookBack().catch(failed)),
    async stop() {
      stopped = true
      clearTimeout(timer)
      await lookingBack
    },
  }
}
