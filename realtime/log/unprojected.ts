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

/**
 * How long a node may take to project its entries before another one does (ms). A node checks an
 * entry at least this long, and at most twice this long, after it has seen the entry.
 */
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
  abandonedMs = ABANDONED_MS,
}: {
  database: Database
  heads: Pick<HeadCache, 'refresh'>
  projector: Pick<Projector, 'schedule'>
  logger: Logger
  abandonedMs?: number
}): UnprojectedWatch {
  /**
   * The newest entry of each topic in the present interval, and in the one before. A topic in use
   * always has entries that its writer is about to project: only those of the interval before have
   * had their time.
   */
  let [seen, aged] = [new Map<string, SeenEntry>(), new Map<string, SeenEntry>()]
  let timer: NodeJS.Timeout | undefined
  let [stopped, lookingBack] = [false, Promise.resolve()]

  /** Schedules the projection of the entries beyond what their head has applied. */
  async function check(entries: ReadonlyMap<string, SeenEntry>): Promise<void> {
    const found = await readHeads(database, [...entries.keys()])
    const applied = new Map(found.map((head) => [head._id, head.applied]))
    for (const [key, entry] of entries) {
      if ((applied.get(key) ?? entry.seq) >= entry.seq) continue
      const head = await heads.refresh(entry.user_id, entry.topic)
      // its writer projects streamed text late, and then all of it together
      if (onlyStreams(head) && Date.now() - head.at < 2 * STREAMING_MS) note(entry)
      else projector.schedule(head, 0)
    }
  }

  function note(entry: SeenEntry): void {
    seen.set(topicKey(entry.user_id, entry.topic), entry)
    timer ??= setTimeout(endInterval, abandonedMs)
  }

  function endInterval(): void {
    const due = aged
    aged = seen
    seen = new Map()
    timer = aged.size > 0 ? setTimeout(endInterval, abandonedMs) : undefined
    if (due.size > 0) check(due).catch(failed)
  }

  async function lookBack(): Promise<void> {
    let recent = new Map<string, SeenEntry>()
    const since = new Date(Date.now() - LOOK_BACK_MS)
    for await (const { user_id, topic, seq } of readRecent(database, since)) {
      if (stopped) return
      recent.set(topicKey(user_id, topic), { user_id, topic, seq })
      if (recent.size < TOPICS_PER_CHECK) continue
      await check(recent)
      recent = new Map()
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
