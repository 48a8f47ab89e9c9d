// Imports what users have elsewhere, item by item. An item that fails doesn't stop the others.
// Repeating an import, even one that was interrupted, adds only what is missing.
import { ItemTaken, whyRefused } from '@lockstep/imports/parsing/failures'
import type { DecisionContext } from '@lockstep/protocol/change'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { decideRecordImport } from '@lockstep/protocol/decide/records'
import type { ImportFailure } from '@lockstep/protocol/import'
import { isConversation } from '@lockstep/protocol/reduce/conversation'
import type { Answer } from '@lockstep/protocol/rest'
import { firstCharacters } from '@lockstep/protocol/text'
import type { Topic } from '@lockstep/protocol/topics'
import { FairTurns, type FairTurnsOptions, type Turn } from '../../concurrency/fair-turns.ts'
import type { Decided } from '../../log/append.ts'
import type { Caller } from '../../log/entry.ts'
import type { Log } from '../../log/log.ts'
import type { NeedsOf, StateOf } from '../../log/topic-table.ts'
import type { Logger } from '../../observability/logger.ts'
import type { Database } from '../../store/database.ts'
import { toServerFault } from '../../store/faults.ts'
import {
  createConversationQuota,
  quotaReached,
  type ConversationQuota,
} from '../conversation-quota.ts'
import type { DailyQuota } from '../daily-quota.ts'
import type { DraftUseCases } from '../drafts.ts'
import type { PreferencesUseCases } from '../preferences.ts'
import {
  decideCompletion,
  decideRunImport,
  decideSlice,
  isUnfinished,
  missingPreferences,
} from './decisions.ts'
import { sizeOf, type ImportBody } from './import-body.ts'
import { createItemReaders, importStopped, type ReadItem } from './item-reader.ts'

type Result = Answer<'importMe'>
/** What an import did with one item. */
type ItemOutcome = 'created' | 'updated' | 'skipped'
type ItemOf<Kind extends ReadItem['kind']> = Extract<ReadItem, { kind: Kind }>
type ImportableItem = Exclude<ReadItem, ItemOf<'failed'>>

/** The most failed items in one request: more of their reasons would fill the memory. */
const MAX_FAILED = 10_000
/** A result lists what its items lack, for at most this many items. */
const MAX_INCOMPLETE = 1_000

/** Decides about one entity. Appends the decision, unless this is a dry run, and returns it. */
type Apply = <T extends Topic>(
  entity: { topic: T; entity_id: string; needs?: NeedsOf[T] },
  decide: (state: StateOf[T], context: DecisionContext) => Decided<T> | undefined,
) => Promise<Decided<T> | undefined>

interface ImportItemsOptions {
  /** Ends the import between two items. */
  stop?: AbortSignal
  maxFailed?: number
  /** Called before each item. */
  beforeItem?: () => Promise<void>
}

/** Imports take turns, so that no user's import keeps those of others from going on. */
const TURNS: FairTurnsOptions = { places: 2, sliceMs: 2_000 }
/** The most imports that wait for their turn: of one user, and in all. */
const MAX_WAITING = { ofUser: 4, inAll: 200 }
/** An import that gets no turn within this time is refused (ms). */
const MAX_WAIT_MS = 50_000
const RETRY_MS = 10_000

export interface ImportUseCases {
  /**
   * Imports the items of a request. A dry run returns the same counts and writes nothing. Throws
   * `invalid` if the body isn't a request to import, its data isn't of its source or it takes too
   * much of the processor, `rate_limited` if too many imports of this user wait, and `unavailable`
   * if too many imports wait, the database becomes unreachable or `stop` is aborted. Items before
   * that stay imported, and repeating the import continues from there.
   */
  run(caller: Caller, body: ImportBody, stop?: AbortSignal): Promise<Result>
  /**
   * The user's import that is nearest to its end: 0 if it is being read, n if n - 1 others come
   * before it. Undefined: the user has no import here.
   */
  positionOf(user_id: string): number | undefined
  /**
   * Imports items that were read elsewhere. `next` returns undefined after the last item. Throws
   * `invalid` if more than `maxFailed` items fail, and `unavailable` as `run` does.
   */
  importItems(
    caller: Caller,
    dry_run: boolean,
    next: () => Promise<ReadItem | undefined>,
    options?: ImportItemsOptions,
  ): Promise<Result>
}

export interface ImportDeps {
  database: Database
  log: Log
  preferences: PreferencesUseCases
  drafts: Pick<DraftUseCases, 'add'>
  logger: Logger
  quota?: ConversationQuota
  /** Default: none. */
  dailyQuota?: Pick<DailyQuota, 'beginImport'>
  turns?: FairTurnsOptions
}

export function createImport({
  database,
  log,
  preferences,
  drafts,
  logger,
  quota = createConversationQuota(database, log),
  dailyQuota,
  turns: turnsOptions = TURNS,
}: ImportDeps): ImportUseCases {
  const openReader = createItemReaders()
  const turns = new FairTurns(turnsOptions)

  async function takeTurn(user_id: string, stop: AbortSignal): Promise<Turn> {
    if (turns.waiting(user_id) >= MAX_WAITING.ofUser)
      throw new Fault('rate_limited', {
        detail: 'Other imports of yours are waiting: try again when they have ended',
        retry_after_ms: RETRY_MS,
      })
    if (turns.waiting() >= MAX_WAITING.inAll) throw tooManyImports()
    try {
      return await turns.take(user_id, AbortSignal.any([stop, AbortSignal.timeout(MAX_WAIT_MS)]))
    } catch {
      throw stop.aborted ? importStopped() : tooManyImports()
    }
  }

  const applyByAppending =
    (caller: Caller): Apply =>
    async (entity, decide) => {
      let decision: ReturnType<typeof decide>
      const appended = await log.append({
        ...entity,
        context: { ...caller, mutation_id: newId() },
        identity: ['import'],
        decide: (state, context) => (decision = decide(state, context)),
      })
      return appended.kind === 'appended' ? decision : undefined
    }

  const applyWithoutAppending =
    ({ user_id }: Caller): Apply =>
    async (entity, decide) => {
      const state = await log.stateAtHead({ ...entity, user_id })
      return decide(state, { user_id, at: new Date().toISOString(), newId: () => newId() })
    }

  async function importConversation(
    apply: Apply,
    dry: boolean,
    { summary, slices }: ItemOf<'conversation'>,
  ): Promise<ItemOutcome> {
    const isPartial = slices.length > 1
    let outcome: ItemOutcome = 'skipped'
    let needsCompletion = isPartial
    const conversation = { topic: 'conversations' as const, entity_id: summary.id }
    let index = 0
    for await (const messages of slices) {
      const isFirst = index++ === 0
      let wasUnfinished = false
      const needs = { messages: messages.map(({ id }) => id), quota }
      const decision = await apply({ ...conversation, needs }, ({ held, isFull }, context) => {
        if (isFull && held === undefined) throw quotaReached()
        wasUnfinished = isUnfinished(held)
        if (!isFirst && !isConversation(held))
          throw new ItemTaken('removed_meanwhile', 'The item was removed during the import')
        return decideSlice(held, { summary, messages, isPartial }, context)
      })
      if (wasUnfinished) needsCompletion = true
      if (decision?.op === 'created' || wasUnfinished) outcome = 'created'
      else if (decision && outcome === 'skipped') outcome = 'updated'
      // a dry run hasn't created the conversation that the other slices need
      if (dry && outcome === 'created') break
    }
    // only when needed: a command that changes nothing costs a majority read of unprojected entries
    if (needsCompletion && !dry)
      await apply(conversation, ({ held }) => decideCompletion(held, summary))
    return outcome
  }

  async function importRun(apply: Apply, { run }: ItemOf<'run'>): Promise<ItemOutcome> {
    const decision = await apply({ topic: 'agents', entity_id: run.id }, (held, context) =>
      decideRunImport(held, run, context),
    )
    return decision ? 'created' : 'skipped'
  }

  async function importRecord(apply: Apply, { record }: ItemOf<'record'>): Promise<ItemOutcome> {
    const decision = await apply({ topic: 'records', entity_id: record.id }, (held) =>
      decideRecordImport(held, record),
    )
    return decision ? 'created' : 'skipped'
  }

  async function importDraft(
    { user_id }: Caller,
    dry_run: boolean,
    { draft }: ItemOf<'draft'>,
  ): Promise<ItemOutcome> {
    return (await drafts.add(user_id, draft, { dry_run })) ? 'created' : 'skipped'
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
    { stop, maxFailed = Infinity, beforeItem } = {},
  ) => {
    const apply = dry ? applyWithoutAppending(caller) : applyByAppending(caller)
    const result: Result = { created: 0, updated: 0, skipped: 0, failed: [] }
    const seen = new Set<string>()
    const importItem = async (item: ImportableItem): Promise<ItemOutcome | undefined> => {
      if (item.kind === 'preferences') return importPreferences(caller, dry, item)
      const id = idOf(item)
      // an export may hold the same item twice
      if (seen.has(id)) return 'skipped'
      seen.add(id)
      if (item.kind === 'run') return importRun(apply, item)
      if (item.kind === 'record') return importRecord(apply, item)
      if (item.kind === 'draft') return importDraft(caller, dry, item)
      return importConversation(apply, dry, item)
    }
    for (;;) {
      if (stop?.aborted) throw importStopped()
      await beforeItem?.()
      const item = await next()
      if (!item) return result
      if (result.failed.length >= maxFailed) throw tooManyFailed(maxFailed)
      if (item.kind === 'failed') {
        const { kind: _kind, ...failure } = item
        result.failed.push(failure)
      } else
        try {
          const outcome = await importItem(item)
          if (outcome) result[outcome]++
          if (outcome === 'created' || outcome === 'updated') noteMissing(result, item)
        } catch (error) {
          const fault = toServerFault(error)
          if (fault.code === 'unavailable' || fault.code === 'unauthenticated') throw fault
          if (fault.code === 'internal')
            logger.error({ err: fault.cause ?? fault }, 'an item could not be imported')
          result.failed.push({ ...nameOf(item), ...whyRefused(fault) })
        }
    }
  }

  return {
    async run(caller, body, stop = new AbortController().signal) {
      const turn = await takeTurn(caller.user_id, stop)
      try {
        // only now: whoever gets no turn hasn't imported anything
        await dailyQuota?.beginImport(caller.user_id, sizeOf(body))
        const reader = await openReader(body, { stop })
        try {
          return await importItems(caller, reader.dry_run, () => reader.next(), {
            stop,
            maxFailed: MAX_FAILED,
            beforeItem: () => turn.share(stop),
          })
        } finally {
          await reader.close()
        }
      } finally {
        turn.end()
      }
    },
    positionOf: (user_id) => turns.positionOf(user_id),
    importItems,
  }
}

function noteMissing(result: Result, item: ImportableItem): void {
  if (item.kind !== 'conversation' || item.missing.length === 0) return
  result.incomplete ??= []
  if (result.incomplete.length < MAX_INCOMPLETE)
    result.incomplete.push({ item: nameOf(item).item, missing: item.missing })
}
const tooManyImports = (): Fault =>
  new Fault('unavailable', {
    detail: 'Too many people are importing at the moment: try again in a minute',
    retry_after_ms: RETRY_MS,
  })

const tooManyFailed = (max: number): Fault =>
  new Fault('invalid', {
    detail: `More than ${max} items failed. The items before them have been imported`,
  })

function idOf(item: Exclude<ImportableItem, ItemOf<'preferences'>>): string {
  if (item.kind === 'run') return item.run.id
  if (item.kind === 'record') return item.record.id
  return item.kind === 'draft' ? item.draft.id : item.summary.id
}

function nameOf(item: ImportableItem): Pick<ImportFailure, 'item' | 'what'> {
  if (item.kind === 'preferences') return { item: 'preferences', what: 'preferences' }
  const title = item.kind === 'conversation' && firstCharacters(item.summary.title, 100)
  if (title) return { item: title }
  return { item: idOf(item), ...(item.kind !== 'conversation' && { what: item.kind }) }
}
