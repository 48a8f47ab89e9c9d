// Brings in what users have elsewhere, item by item: an item that fails doesn't stop the others, and repeating an import, also one that was
// interrupted, adds only what isn't there.
import type { Decision, DecisionContext } from '@lockstep/protocol/change'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { reduceRun, type HeldRun } from '@lockstep/protocol/reduce/run'
import { isConversation, type HeldConversation } from '@lockstep/protocol/reduce/conversation'
import type { Answer } from '@lockstep/protocol/rest'
import { firstCharacters } from '@lockstep/protocol/text'
import type { Topic } from '@lockstep/protocol/topics'
import type { Logger } from '../../observability/logger.ts'
import { fingerprintOf, toChange, type Caller } from '../../log/entry.ts'
import type { Hot, Log } from '../../log/log.ts'
import { fold, readProjected } from '../../log/projection/conversations.ts'
import { readRun } from '../../store/agent-runs.ts'
import type { Database } from '../../store/database.ts'
import { toServerFault } from '../../store/faults.ts'
import type { PreferencesUseCases } from '../preferences.ts'
import {
  createConversationQuota,
  quotaReached,
  type ConversationQuota,
} from '../conversation-quota.ts'
import type { ImportBody } from './import-body.ts'
import {
  decideCompletion,
  decideSlice,
  decideRunImport,
  missingPreferences,
  isUnfinished,
} from './decisions.ts'
import { openItemReader, importStopped } from './item-reader.ts'
import type { NormalizedItem } from '@lockstep/imports/reading/normalize'

type Result = Answer<'importMe'>
type Done = 'created' | 'updated' | 'skipped'
type Of<Kind extends NormalizedItem['kind']> = Extract<NormalizedItem, { kind: Kind }>

/** Failed items that a request may have: a file of nothing else would fill memory with reasons. */
const MOST_FAILED = 10_000

/** Decides on one entity and says whether anything changes; writes it, unless it is a dry run. */
type Apply = <State>(
  topic: Topic,
  load: (hot: Pick<Hot, 'user_id' | 'seq' | 'tail'>) => Promise<State>,
  decide: (state: State, context: DecisionContext) => Decision | undefined,
) => Promise<Decision | undefined>

interface Bounds {
  stop?: AbortSignal
  mostFailed?: number
}

export interface ImportUseCases {
  /**
   * A dry run tells the same counts and writes nothing. Throws `invalid` when it isn't an import, or not of its source; `unavailable`
   * when the database went away half-way, or `stop` was aborted: that ends it between two items. Then it can be repeated.
   */
  run(caller: Caller, body: ImportBody, stop?: AbortSignal): Promise<Result>
  /** The same for items that were read elsewhere; `next` gives undefined at the end. Throws `invalid` when more than `mostFailed` fail. */
  importItems(
    caller: Caller,
    dry_run: boolean,
    next: () => Promise<NormalizedItem | undefined>,
    options?: Bounds,
  ): Promise<Result>
}

export function createImport(
  database: Database,
  log: Log,
  preferences: PreferencesUseCases,
  logger: Logger,
  room: ConversationQuota = createConversationQuota(database, log),
): ImportUseCases {
  const writing =
    (caller: Caller): Apply =>
    async (topic, load, decide) => {
      let decision: Decision | undefined
      const appended = await log.append({
        ...{ caller, topic, mutation_id: newId(), fingerprint: fingerprintOf(['import']), load },
        decide: (state, context) => (decision = decide(state, context)),
      })
      return appended.kind === 'appended' ? decision : undefined
    }

  const trying =
    ({ user_id }: Caller): Apply =>
    async (topic, load, decide) => {
      const { seq } = await log.projectToHead(user_id, topic)
      return decide(await load({ user_id, seq, tail: [] }), {
        user_id,
        at: new Date().toISOString(),
        newId: () => newId(),
      })
    }

  const conversation =
    (id: string, messageIds: readonly string[] = []) =>
    async ({ user_id, tail }: Pick<Hot, 'user_id' | 'seq' | 'tail'>): Promise<HeldConversation> => {
      const entries = tail.filter(({ entity_id }) => entity_id === id)
      return fold(await readProjected(database, user_id, id, messageIds), entries).held
    }

  async function importConversation(
    apply: Apply,
    dry: boolean,
    { about, pieces }: Of<'conversation'>,
  ): Promise<Done> {
    let done: Done = 'skipped'
    let isHidden = pieces.length > 1
    for (const [index, messages] of pieces.entries()) {
      const load = conversation(
        about.id,
        messages.map(({ id }) => id),
      )
      let unfinished = false
      let full = false
      const look: typeof load = async (hot) => {
        full = await room.isFull(hot.user_id, hot.seq)
        return load(hot)
      }
      const decision = await apply('conversations', look, (held, context) => {
        if (full && held === undefined) throw quotaReached()
        unfinished = isUnfinished(held)
        if (index > 0 && !isConversation(held))
          throw new Fault('id_taken', { detail: 'It was removed meanwhile' })
        return decideSlice(held, { about, messages, more: pieces.length > 1 }, context)
      })
      if (unfinished) isHidden = true
      if (decision?.op === 'created' || unfinished) done = 'created'
      else if (decision && done === 'skipped') done = 'updated'
      if (dry && done === 'created') break // the other pieces would need the first one
    }
    // only then: a command that changes nothing costs a majority read of all that waits to be projected
    if (isHidden && !dry)
      await apply('conversations', conversation(about.id), (held) => decideCompletion(held, about))
    return done
  }

  async function importRun(apply: Apply, { run }: Of<'run'>): Promise<Done> {
    const load = async ({ user_id, tail }: Pick<Hot, 'user_id' | 'tail'>) => {
      const entries = tail.filter(({ entity_id }) => entity_id === run.id)
      return entries
        .map(toChange)
        .reduce<HeldRun>(reduceRun, await readRun(database, user_id, run.id))
    }
    const decision = await apply('agents', load, (held, context) =>
      decideRunImport(held, run, context),
    )
    return decision ? 'created' : 'skipped'
  }

  /** Preferences aren't an item of their own: they count only when they change. */
  async function importPreferences(
    caller: Caller,
    dry: boolean,
    { preferences: given }: Of<'preferences'>,
  ): Promise<Done | undefined> {
    for (;;) {
      const { preferences: present, version } = await preferences.get(caller.user_id)
      const patch = missingPreferences(present, given)
      if (Object.keys(patch).length === 0) return undefined
      if (dry) return 'updated'
      try {
        await preferences.update(
          { ...caller, mutation_id: newId() },
          { patch, if_version: version },
        )
        return 'updated'
      } catch (error) {
        if (!(error instanceof Fault && error.code === 'version_conflict')) throw error
      }
    }
  }

  const bringIn: ImportUseCases['importItems'] = async (
    caller,
    dry,
    next,
    { stop, mostFailed = Infinity } = {},
  ) => {
    const apply = dry ? trying(caller) : writing(caller)
    const result: Result = { created: 0, updated: 0, skipped: 0, failed: [] }
    const seen = new Set<string>()
    const importItem = async (
      item: Exclude<NormalizedItem, Of<'failed'>>,
    ): Promise<Done | undefined> => {
      if (item.kind === 'preferences') return importPreferences(caller, dry, item)
      const { id } = item.kind === 'run' ? item.run : item.about
      if (seen.has(id)) return 'skipped' // twice in one file
      seen.add(id)
      return item.kind === 'run' ? importRun(apply, item) : importConversation(apply, dry, item)
    }
    for (;;) {
      if (stop?.aborted) throw importStopped()
      const item = await next()
      if (!item) return result
      if (result.failed.length >= mostFailed) throw tooManyFailed(mostFailed)
      if (item.kind === 'failed') result.failed.push({ item: item.item, reason: item.reason })
      else
        try {
          const done = await importItem(item)
          if (done) result[done]++
        } catch (error) {
          const fault = toServerFault(error)
          if (fault.code === 'unavailable' || fault.code === 'unauthenticated') throw fault
          if (fault.code === 'internal')
            logger.error({ err: fault.cause ?? fault }, 'an item could not be imported')
          result.failed.push({ item: nameOf(item), reason: fault.message })
        }
    }
  }

  return {
    async run(caller, body, stop) {
      const reading = await openItemReader(body, { stop })
      try {
        return await bringIn(caller, reading.dry_run, () => reading.next(), {
          stop,
          mostFailed: MOST_FAILED,
        })
      } finally {
        await reading.close()
      }
    },
    importItems: bringIn,
  }
}

const tooManyFailed = (most: number): Fault =>
  new Fault('invalid', { detail: `More than ${most} items failed. What came before is in` })

const nameOf = (item: Exclude<NormalizedItem, Of<'failed'>>): string =>
  item.kind === 'conversation'
    ? firstCharacters(item.about.title || item.about.id, 100)
    : item.kind === 'run'
      ? item.run.id
      : 'preferences'
