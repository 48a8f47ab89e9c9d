// Brings in what users have elsewhere, item by item: an item that fails doesn't stop the others, and repeating an import, also one that was
// interrupted, adds only what isn't there.
import type { DecisionContext } from '@lockstep/protocol/change'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { isConversation } from '@lockstep/protocol/reduce/conversation'
import type { Answer } from '@lockstep/protocol/rest'
import { firstCharacters } from '@lockstep/protocol/text'
import type { Topic } from '@lockstep/protocol/topics'
import type { Logger } from '../../observability/logger.ts'
import type { Decided } from '../../log/append.ts'
import type { Caller } from '../../log/entry.ts'
import type { Log } from '../../log/log.ts'
import type { NeedsOf, StateOf } from '../../log/state/states.ts'
import type { Database } from '../../store/database.ts'
import { toFault } from '../../store/faults.ts'
import type { PreferencesUseCases } from '../preferences.ts'
import {
  createConversationQuota,
  quotaReached,
  type ConversationQuota,
} from '../conversation-quota.ts'
import type { Body } from './body.ts'
import { decideComplete, decidePiece, decideRunImport, fillIn, isUnfinished } from './decisions.ts'
import { beginReading, importStopped } from './reading.ts'
import type { Ready } from './ready.ts'

type Result = Answer<'importMe'>
type Done = 'created' | 'updated' | 'skipped'
type Of<Kind extends Ready['kind']> = Extract<Ready, { kind: Kind }>

/** Failed items that a request may have: a file of nothing else would fill memory with reasons. */
const MOST_FAILED = 10_000

/** Decides on one entity and answers with the decision, if anything changes. Appends it, unless this is a dry run. */
type Apply = <T extends Topic>(
  entity: { topic: T; entity_id: string; needs?: NeedsOf[T] },
  decide: (state: StateOf[T], context: DecisionContext) => Decided<T> | undefined,
) => Promise<Decided<T> | undefined>

interface Bounds {
  stop?: AbortSignal
  mostFailed?: number
}

export interface ImportUseCases {
  /**
   * A dry run tells the same counts and writes nothing. Throws `invalid` when it isn't an import, or not of its source; `unavailable`
   * when the database went away half-way, or `stop` was aborted: that ends it between two items. Then it can be repeated.
   */
  run(caller: Caller, body: Body, stop?: AbortSignal): Promise<Result>
  /** The same for items that were read elsewhere; `next` gives undefined at the end. Throws `invalid` when more than `mostFailed` fail. */
  bringIn(
    caller: Caller,
    dry_run: boolean,
    next: () => Promise<Ready | undefined>,
    options?: Bounds,
  ): Promise<Result>
}

export function createImport(
  database: Database,
  log: Log,
  preferences: PreferencesUseCases,
  logger: Logger,
  quota: ConversationQuota = createConversationQuota(database, log),
): ImportUseCases {
  const appending =
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

  const trying =
    ({ user_id }: Caller): Apply =>
    async (entity, decide) => {
      const state = await log.stateAtHead({ ...entity, user_id })
      return decide(state, { user_id, at: new Date().toISOString(), newId: () => newId() })
    }

  async function importConversation(
    apply: Apply,
    dry: boolean,
    { about, pieces }: Of<'conversation'>,
  ): Promise<Done> {
    let done: Done = 'skipped'
    let isHidden = pieces.length > 1
    const conversation = { topic: 'conversations' as const, entity_id: about.id }
    for (const [index, messages] of pieces.entries()) {
      let unfinished = false
      const needs = { messages: messages.map(({ id }) => id), quota }
      const decision = await apply({ ...conversation, needs }, ({ held, isFull }, context) => {
        if (isFull && held === undefined) throw quotaReached()
        unfinished = isUnfinished(held)
        if (index > 0 && !isConversation(held))
          throw new Fault('id_taken', { detail: 'It was removed meanwhile' })
        return decidePiece(held, { about, messages, more: pieces.length > 1 }, context)
      })
      if (unfinished) isHidden = true
      if (decision?.op === 'created' || unfinished) done = 'created'
      else if (decision && done === 'skipped') done = 'updated'
      if (dry && done === 'created') break // the other pieces would need the first one
    }
    // only then: a command that changes nothing costs a majority read of all that waits to be projected
    if (isHidden && !dry) await apply(conversation, ({ held }) => decideComplete(held, about))
    return done
  }

  async function importRun(apply: Apply, { run }: Of<'run'>): Promise<Done> {
    const decision = await apply({ topic: 'agents', entity_id: run.id }, (held, context) =>
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
      const patch = fillIn(present, given)
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

  const bringIn: ImportUseCases['bringIn'] = async (
    caller,
    dry,
    next,
    { stop, mostFailed = Infinity } = {},
  ) => {
    const apply = dry ? trying(caller) : appending(caller)
    const result: Result = { created: 0, updated: 0, skipped: 0, failed: [] }
    const seen = new Set<string>()
    const importItem = async (item: Exclude<Ready, Of<'failed'>>): Promise<Done | undefined> => {
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
          const fault = toFault(error)
          if (fault.code === 'unavailable' || fault.code === 'unauthenticated') throw fault
          if (fault.code === 'internal')
            logger.error({ err: fault.cause ?? fault }, 'an item could not be imported')
          result.failed.push({ item: nameOf(item), reason: fault.message })
        }
    }
  }

  return {
    async run(caller, body, stop) {
      const reading = await beginReading(body, { stop })
      try {
        return await bringIn(caller, reading.dry_run, () => reading.next(), {
          stop,
          mostFailed: MOST_FAILED,
        })
      } finally {
        await reading.end()
      }
    },
    bringIn,
  }
}

const tooManyFailed = (most: number): Fault =>
  new Fault('invalid', { detail: `More than ${most} items failed. What came before is in` })

const nameOf = (item: Exclude<Ready, Of<'failed'>>): string =>
  item.kind === 'conversation'
    ? firstCharacters(item.about.title || item.about.id, 100)
    : item.kind === 'run'
      ? item.run.id
      : 'preferences'
