// Imports what users have elsewhere, item by item. An item that fails doesn't stop the others. Repeating an
// import, even one that was interrupted, adds only what is missing.
import type { NormalizedItem } from '@lockstep/imports/reading/normalize'
import type { Decision, DecisionContext } from '@lockstep/protocol/change'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { isConversation, type HeldConversation } from '@lockstep/protocol/reduce/conversation'
import { reduceRun, type HeldRun } from '@lockstep/protocol/reduce/run'
import type { Answer } from '@lockstep/protocol/rest'
import { firstCharacters } from '@lockstep/protocol/text'
import type { Topic } from '@lockstep/protocol/topics'
import { fingerprintOf, toChange, type Caller } from '../../log/entry.ts'
import type { Hot, Log } from '../../log/log.ts'
import { fold, readProjected } from '../../log/projection/conversations.ts'
import type { Logger } from '../../observability/logger.ts'
import { readRun } from '../../store/agent-runs.ts'
import type { Database } from '../../store/database.ts'
import { toServerFault } from '../../store/faults.ts'
import {
  createConversationQuota,
  quotaReached,
  type ConversationQuota,
} from '../conversation-quota.ts'
import type { PreferencesUseCases } from '../preferences.ts'
import {
  decideCompletion,
  decideRunImport,
  decideSlice,
  isUnfinished,
  missingPreferences,
} from './decisions.ts'
import type { ImportBody } from './import-body.ts'
import { importStopped, openItemReader } from './item-reader.ts'

type Result = Answer<'importMe'>
/** What an import did with one item. */
type ItemOutcome = 'created' | 'updated' | 'skipped'
type ItemOf<Kind extends NormalizedItem['kind']> = Extract<NormalizedItem, { kind: Kind }>
type ImportableItem = Exclude<NormalizedItem, ItemOf<'failed'>>

/** The most failed items in one request: more of their reasons would fill the memory. */
const MAX_FAILED = 10_000

/** Decides about one entity, and writes the decision unless this is a dry run. */
type Apply = <State>(
  topic: Topic,
  load: (hot: Pick<Hot, 'user_id' | 'seq' | 'tail'>) => Promise<State>,
  decide: (state: State, context: DecisionContext) => Decision | undefined,
) => Promise<Decision | undefined>

interface ImportItemsOptions {
  /** Ends the import between two items. */
  stop?: AbortSignal
  maxFailed?: number
}

export interface ImportUseCases {
  /**
   * Imports the items of a request. A dry run returns the same counts and writes nothing. Throws `invalid`
   * if the body isn't a request to import or its data isn't of its source, and `unavailable` if the
   * database becomes unreachable or `stop` is aborted. Items before that stay imported, and repeating the
   * import continues from there.
   */
  run(caller: Caller, body: ImportBody, stop?: AbortSignal): Promise<Result>
  /**
   * Imports items that were read elsewhere. `next` returns undefined after the last item. Throws `invalid`
   * if more than `maxFailed` items fail, and `unavailable` as `run` does.
   */
  importItems(
    caller: Caller,
    dry_run: boolean,
    next: () => Promise<NormalizedItem | undefined>,
    options?: ImportItemsOptions,
  ): Promise<Result>
}

export interface ImportDeps {
  database: Database
  log: Log
  preferences: PreferencesUseCases
  logger: Logger
  quota?: ConversationQuota
}

export function createImport({
  database,
  log,
  preferences,
  logger,
  quota = createConversationQuota(database, log),
}: ImportDeps): ImportUseCases {
  const applyByWriting =
    (caller: Caller): Apply =>
    async (topic, load, decide) => {
      let decision: Decision | undefined
      const appended = await log.append({
        ...{ caller, topic, mutation_id: newId(), fingerprint: fingerprintOf(['import']), load },
        decide: (state, context) => (decision = decide(state, context)),
      })
      return appended.kind === 'appended' ? decision : undefined
    }

  const applyWithoutWriting =
    ({ user_id }: Caller): Apply =>
    async (topic, load, decide) => {
      const { seq } = await log.projectToHead(user_id, topic)
      return decide(await load({ user_id, seq, tail: [] }), {
        user_id,
        at: new Date().toISOString(),
        newId: () => newId(),
      })
    }

  const loadConversation =
    (id: string, messageIds: readonly string[] = []) =>
    async ({ user_id, tail }: Pick<Hot, 'user_id' | 'seq' | 'tail'>): Promise<HeldConversation> => {
      const entries = tail.filter(({ entity_id }) => entity_id === id)
      return fold(await readProjected(database, user_id, id, messageIds), entries).held
    }

  async function importConversation(
    apply: Apply,
    dry: boolean,
    { summary, slices }: ItemOf<'conversation'>,
  ): Promise<ItemOutcome> {
    const isPartial = slices.length > 1
    let outcome: ItemOutcome = 'skipped'
    let needsCompletion = isPartial
    for (const [index, messages] of slices.entries()) {
      const ids = messages.map(({ id }) => id)
      const load = loadConversation(summary.id, ids)
      let wasUnfinished = false
      let isFull = false
      const loadWithQuota: typeof load = async (hot) => {
        isFull = await quota.isFull(hot.user_id, hot.seq)
        return load(hot)
      }
      const decision = await apply('conversations', loadWithQuota, (held, context) => {
        if (isFull && held === undefined) throw quotaReached()
        wasUnfinished = isUnfinished(held)
        if (index > 0 && !isConversation(held))
          throw new Fault('id_taken', { detail: 'It was removed during the import' })
        return decideSlice(held, { summary, messages, isPartial }, context)
      })
      if (wasUnfinished) needsCompletion = true
      if (decision?.op === 'created' || wasUnfinished) outcome = 'created'
      else if (decision && outcome === 'skipped') outcome = 'updated'
      // a dry run hasn't created the conversation that the other slices need
      if (dry && outcome === 'created') break
    }
    // not always: a command that changes nothing costs a majority read of all unprojected entries
    if (needsCompletion && !dry)
      await apply('conversations', loadConversation(summary.id), (held) =>
        decideCompletion(held, summary),
      )
    return outcome
  }

  async function importRun(apply: Apply, { run }: ItemOf<'run'>): Promise<ItemOutcome> {
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

  /** Preferences are no item of their own: they count only if they change. */
  async function importPreferences(
    caller: Caller,
    dry: boolean,
    { preferences: imported }: ItemOf<'preferences'>,
  ): Promise<ItemOutcome | undefined> {
    for (;;) {
      const { preferences: present, version } = await preferences.get(caller.user_id)
      const patch = missingPreferences(present, imported)
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

  const importItems: ImportUseCases['importItems'] = async (
    caller,
    dry,
    next,
    { stop, maxFailed = Infinity } = {},
  ) => {
    const apply = dry ? applyWithoutWriting(caller) : applyByWriting(caller)
    const result: Result = { created: 0, updated: 0, skipped: 0, failed: [] }
    const seen = new Set<string>()
    const importItem = async (item: ImportableItem): Promise<ItemOutcome | undefined> => {
      if (item.kind === 'preferences') return importPreferences(caller, dry, item)
      const { id } = item.kind === 'run' ? item.run : item.summary
      // an export may hold the same item twice
      if (seen.has(id)) return 'skipped'
      seen.add(id)
      return item.kind === 'run' ? importRun(apply, item) : importConversation(apply, dry, item)
    }
    for (;;) {
      if (stop?.aborted) throw importStopped()
      const item = await next()
      if (!item) return result
      if (result.failed.length >= maxFailed) throw tooManyFailed(maxFailed)
      if (item.kind === 'failed') result.failed.push({ item: item.item, reason: item.reason })
      else
        try {
          const outcome = await importItem(item)
          if (outcome) result[outcome]++
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
      const reader = await openItemReader(body, { stop })
      try {
        return await importItems(caller, reader.dry_run, () => reader.next(), {
          stop,
          maxFailed: MAX_FAILED,
        })
      } finally {
        await reader.close()
      }
    },
    importItems,
  }
}

const tooManyFailed = (max: number): Fault =>
  new Fault('invalid', {
    detail: `More than ${max} items failed. The items before them have been imported`,
  })

const nameOf = (item: ImportableItem): string =>
  item.kind === 'conversation'
    ? firstCharacters(item.summary.title || item.summary.id, 100)
    : item.kind === 'run'
      ? item.run.id
      : 'preferences'
